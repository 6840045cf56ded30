import type { ThawedServer } from "@dp/host";
import { ChangeCommand } from "../change-command.ts";
import { publicEndpoint } from "../forward.ts";
import { hostLibrary } from "../host-library.ts";
import { selectingServer } from "../server-command.ts";
import { serverLabel } from "../server-label.ts";
import { SERVER_HELP } from "../server-selector.ts";

export class ThawCommand extends selectingServer(ChangeCommand) {
  static override paths = [["thaw"]];
  static override usage = ChangeCommand.Usage({
    category: "Checkpoint",
    description: "end a freeze: let players in and the container out again",
    details: `Undoes dp freeze, also one that did not finish. A server that is not frozen stays as it is. ${SERVER_HELP}`,
    examples: [["After a checkpoint, or a restore", "dp thaw lobby"]],
  });

  override async perform(): Promise<ThawedServer> {
    const selector = this.selector();
    const { thawServer } = await hostLibrary();
    return thawServer(selector, this.hostOptions());
  }

  override present(server: ThawedServer): string {
    const { bold, green } = this.style;
    if (!server.thawed) return `${serverLabel(server)} was not frozen\n`;
    const endpoints = server.forwards.map(publicEndpoint).join(", ");
    return `${green("thawed")} ${serverLabel(server)}: players connect to ${bold(endpoints)}\n`;
  }
}
