import type { RepairResult } from "@dp/host";
import { Option } from "clipanion";
import { ChangeCommand } from "../change-command.ts";
import { EXIT_DONE, EXIT_FAILED } from "../exit-code.ts";
import { describeFinding, renderFindings } from "../findings.ts";
import { hostLibrary } from "../host-library.ts";
import { serverLabel } from "../server-label.ts";

export class RepairCommand extends ChangeCommand {
  static override paths = [["repair"]];
  static override usage = ChangeCommand.Usage({
    category: "Host",
    description: "remove dead servers and leftovers, repair the rest",
    details:
      "Removes servers whose container is gone, leftovers of killed commands, and orphaned interfaces. Restores what " +
      "the other servers lack: their players notice nothing. Exit code 1 when an error remains that it cannot repair.",
    examples: [
      ["Repair, and print what was done", "dp repair"],
      ["Only print what would be done", "dp repair --dry-run"],
    ],
  });

  dryRun = Option.Boolean("--dry-run", false, { description: "change nothing" });

  override async perform(): Promise<RepairResult> {
    const { repair } = await hostLibrary();
    return repair({ ...this.hostOptions(), dryRun: this.dryRun });
  }

  protected override exitCode({ remaining }: RepairResult): number {
    return remaining.some(({ severity }) => severity === "error") ? EXIT_FAILED : EXIT_DONE;
  }

  override present({ dryRun, removedServers, removed, repaired, remaining }: RepairResult): string {
    const { green } = this.style;
    const verb = (past: string, future: string) => green(dryRun ? `would ${future}` : past);
    const lines = [
      ...removedServers.map((server) => `${verb("removed", "remove")} ${serverLabel(server)}\n`),
      ...removed.map((finding) => `${verb("removed", "remove")} ${describeFinding(finding)}\n`),
      ...repaired.map((finding) => `${verb("repaired", "repair")} ${describeFinding(finding)}\n`),
    ];
    if (lines.length === 0 && remaining.length === 0) return "there was nothing to repair\n";
    return `${lines.join("")}${renderFindings(remaining, this.style)}`;
  }
}
