import type { Server, ServerSelector } from "@dp/host";
import { Option } from "clipanion";
import { ChangeCommand } from "../change-command.ts";
import { hostLibrary } from "../host-library.ts";
import { SELECTOR_METAVARS, selectorOf } from "../server-selector.ts";
import { UsageError } from "../usage-error.ts";

export class DelServerCommand extends ChangeCommand {
  static override paths = [["del-server"]];
  static override usage = ChangeCommand.Usage({
    category: "Servers",
    description: "take a container away from its port",
    details:
      "The reverse of add-server: from the first step on no player gets through. It also works when the container is gone.",
    examples: [
      ["By its port", "dp del-server --port 25570"],
      ["By its name, in a script that may run twice", "dp del-server --name lobby --if-exists"],
      ["All there are", "dp del-server --all"],
    ],
  });
  static override metavars = SELECTOR_METAVARS;

  port = Option.String("--port", { description: "the server on this host port" });
  address = Option.String("--address", { description: "its public address, where several servers have that port" });
  name = Option.String("--name", { description: "the server of this name" });
  all = Option.Boolean("--all", false, { description: "every server" });
  ifExists = Option.Boolean("--if-exists", false, { description: "one that is not there is no failure" });

  override async perform(): Promise<{ removed: Server[] }> {
    const selector = this.#selector();
    const { delServer } = await hostLibrary();
    return { removed: await delServer(selector, { ...this.hostOptions(), ifExists: this.ifExists }) };
  }

  #selector(): ServerSelector | { all: true } {
    const hint = "--port N, --name S or --all";
    if (!this.all) return selectorOf(this, hint);
    if (this.port === undefined && this.name === undefined && this.address === undefined) return { all: true };
    throw new UsageError("--all and a server exclude each other", { hint });
  }

  override present({ removed }: { removed: Server[] }): string {
    const { green } = this.style;
    if (removed.length === 0) return "there was no server to delete\n";
    return removed.map(({ port, name }) => `${green("deleted")} server ${port} (${name})\n`).join("");
  }
}
