import type { ThawedServer } from "@dp/host";
import { Option } from "clipanion";
import { ChangeCommand } from "../change-command.ts";
import { hostLibrary } from "../host-library.ts";
import { parseNumber } from "../option-value.ts";
import { UsageError } from "../usage-error.ts";

export class ThawCommand extends ChangeCommand {
  static override paths = [["thaw"]];
  static override usage = ChangeCommand.Usage({
    category: "Checkpoint",
    description: "let a frozen server's players in again, and the container out",
    details: "Undoes dp freeze, also one that did not finish. A server that is not frozen stays as it is.",
    examples: [["After a checkpoint, or a restore", "dp thaw --port 25570"]],
  });
  static override metavars = { "--port": "N" };

  port = Option.String("--port", { description: "the server on this host port" });

  override async perform(): Promise<ThawedServer> {
    if (this.port === undefined) throw new UsageError("--port is missing", { hint: "--port N" });
    const port = parseNumber(this.port, "--port");
    const { thawServer } = await hostLibrary();
    return thawServer({ ...this.hostOptions(), port });
  }

  override present({ name, port, address, thawed }: ThawedServer): string {
    const { bold, green } = this.style;
    if (!thawed) return `server ${port} (${name}) was not frozen\n`;
    return `${green("thawed")} ${name}: players connect to ${bold(`${address}:${port}`)}\n`;
  }
}
