import type { UnloadResult } from "@dp/host";
import { Option } from "clipanion";
import { ChangeCommand } from "../change-command.ts";
import { hostLibrary } from "../host-library.ts";
import { serverLabel } from "../server-label.ts";

export class UnloadCommand extends ChangeCommand {
  static override paths = [["unload"]];
  static override usage = ChangeCommand.Usage({
    category: "Host",
    description: "detach and unpin everything; refused while there are servers",
    details: "Succeeds when nothing is loaded. The bpffs stays mounted.",
    examples: [
      ["After all servers were deleted", "dp unload"],
      ["With the servers: their players are cut off", "dp unload --force"],
    ],
  });

  force = Option.Boolean("--force", false, { description: "delete the servers first" });

  override async perform(): Promise<UnloadResult> {
    const { unload } = await hostLibrary();
    return unload({ ...this.hostOptions(), force: this.force });
  }

  override present({ unloaded, removed, pinRoot }: UnloadResult): string {
    const { green } = this.style;
    if (!unloaded) return `nothing was loaded at ${pinRoot}\n`;
    const servers = removed.map((server) => `deleted ${serverLabel(server)}\n`).join("");
    return `${servers}${green("unloaded")}\n`;
  }
}
