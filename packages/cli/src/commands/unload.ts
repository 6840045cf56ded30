import type { UnloadResult } from "@dp/host";
import { Option } from "clipanion";
import { ChangeCommand } from "../change-command.ts";
import { hostLibrary } from "../host-library.ts";

export class UnloadCommand extends ChangeCommand {
  static override paths = [["unload"]];
  static override usage = ChangeCommand.Usage({
    category: "Host",
    description: "detach and unpin everything; refused while there are servers",
    details: "Not loaded is done, not failed. The bpffs stays mounted.",
    examples: [
      ["When all servers are deleted", "dp unload"],
      ["Whatever is there: players of all servers are cut off", "dp unload --force"],
    ],
  });

  force = Option.Boolean("--force", false, { description: "delete servers that are there" });

  override async perform(): Promise<UnloadResult> {
    const { unload } = await hostLibrary();
    return unload({ ...this.hostOptions(), force: this.force });
  }

  override present({ unloaded, removed, pinRoot }: UnloadResult): string {
    const { green } = this.style;
    if (!unloaded) return `nothing was loaded at ${pinRoot}\n`;
    const servers = removed.map(({ port, name }) => `deleted server ${port} (${name})\n`).join("");
    return `${servers}${green("unloaded")}\n`;
  }
}
