import type { Server, ServerSelector } from "@dp/host";
import { Option } from "clipanion";
import { ChangeCommand } from "../change-command.ts";
import { hostLibrary } from "../host-library.ts";
import { selectingServer } from "../server-command.ts";
import { serverLabel } from "../server-label.ts";
import { SERVER_HELP } from "../server-selector.ts";
import { UsageError } from "../usage-error.ts";

const HINT = "SERVER, --name S, --port N or --all";

export class DelServerCommand extends selectingServer(ChangeCommand) {
  static override paths = [["del-server"]];
  static override usage = ChangeCommand.Usage({
    category: "Servers",
    description: "remove a server from the host",
    details:
      "The reverse of add-server: from the first step on no packet of a player passes. It also works when the " +
      `container is gone. ${SERVER_HELP}`,
    examples: [
      ["By its public port", "dp del-server 25570"],
      ["By its name, in a script that may run twice", "dp del-server lobby --if-exists"],
      ["All servers", "dp del-server --all"],
    ],
  });
  all = Option.Boolean("--all", false, { description: "every server" });
  ifExists = Option.Boolean("--if-exists", false, { description: "succeed if the server does not exist" });

  override async perform(): Promise<{ removed: Server[] }> {
    const selector = this.#selector();
    const { delServer } = await hostLibrary();
    return { removed: await delServer(selector, { ...this.hostOptions(), ifExists: this.ifExists }) };
  }

  #selector(): ServerSelector | { all: true } {
    const { server, port, address, name, all } = this;
    if (!all) return this.selector(HINT);
    if ([server, port, address, name].every((given) => given === undefined)) return { all: true };
    throw new UsageError("--all and a server exclude each other", { hint: HINT });
  }

  override present({ removed }: { removed: Server[] }): string {
    const { green } = this.style;
    if (removed.length === 0) return "there was no server to delete\n";
    return removed.map((server) => `${green("deleted")} ${serverLabel(server)}\n`).join("");
  }
}
