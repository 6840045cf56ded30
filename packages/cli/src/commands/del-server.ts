import type { Server, ServerSelector } from "@dp/host";
import { Option } from "clipanion";
import { ChangeCommand } from "../change-command.ts";
import { hostLibrary } from "../host-library.ts";
import { parseNumber } from "../option-value.ts";
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
  static override metavars = { "--port": "N", "--name": "S" };

  port = Option.String("--port", { description: "the server on this host port" });
  name = Option.String("--name", { description: "the server of this name" });
  all = Option.Boolean("--all", false, { description: "every server" });
  ifExists = Option.Boolean("--if-exists", false, { description: "one that is not there is no failure" });

  override async perform(): Promise<{ removed: Server[] }> {
    const selector = this.#selector();
    const { delServer } = await hostLibrary();
    return { removed: await delServer(selector, { ...this.hostOptions(), ifExists: this.ifExists }) };
  }

  #selector(): ServerSelector {
    const given: ServerSelector[] = [];
    if (this.port !== undefined) given.push({ port: parseNumber(this.port, "--port") });
    if (this.name !== undefined) given.push({ name: this.name });
    if (this.all) given.push({ all: true });
    const [selector, ...others] = given;
    if (selector !== undefined && others.length === 0) return selector;
    throw new UsageError(
      selector === undefined ? "which server?" : "only one of --port, --name and --all is possible",
      {
        hint: "--port N, --name S or --all",
      },
    );
  }

  override present({ removed }: { removed: Server[] }): string {
    const { green } = this.style;
    if (removed.length === 0) return "there was no server to delete\n";
    return removed.map(({ port, name }) => `${green("deleted")} server ${port} (${name})\n`).join("");
  }
}
