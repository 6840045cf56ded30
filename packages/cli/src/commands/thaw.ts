import type { ThawedServer } from "@dp/host";
import { Option } from "clipanion";
import { ChangeCommand } from "../change-command.ts";
import { hostLibrary } from "../host-library.ts";
import { SELECTOR_METAVARS, selectorOf } from "../server-selector.ts";

export class ThawCommand extends ChangeCommand {
  static override paths = [["thaw"]];
  static override usage = ChangeCommand.Usage({
    category: "Checkpoint",
    description: "let a frozen server's players in again, and the container out",
    details: "Undoes dp freeze, also one that did not finish. A server that is not frozen stays as it is.",
    examples: [["After a checkpoint, or a restore", "dp thaw --port 25570"]],
  });
  static override metavars = SELECTOR_METAVARS;

  port = Option.String("--port", { description: "the server on this host port" });
  address = Option.String("--address", { description: "its public address, where several servers have that port" });
  name = Option.String("--name", { description: "the server of this name" });

  override async perform(): Promise<ThawedServer> {
    const selector = selectorOf(this);
    const { thawServer } = await hostLibrary();
    return thawServer(selector, this.hostOptions());
  }

  override present({ name, port, address, thawed }: ThawedServer): string {
    const { bold, green } = this.style;
    if (!thawed) return `server ${port} (${name}) was not frozen\n`;
    return `${green("thawed")} ${name}: players connect to ${bold(`${address}:${port}`)}\n`;
  }
}
