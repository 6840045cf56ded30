import type { GcResult } from "@dp/host";
import { Option } from "clipanion";
import { ChangeCommand } from "../change-command.ts";
import { EXIT_DONE, EXIT_FAILED } from "../exit-code.ts";
import { describeFinding, renderFindings } from "../findings.ts";
import { hostLibrary } from "../host-library.ts";

export class GcCommand extends ChangeCommand {
  static override paths = [["gc"]];
  static override usage = ChangeCommand.Usage({
    category: "Host",
    description: "collect what died or was left half done, and mend what is alive",
    details:
      "Takes out servers whose container is gone, what killed commands left behind, and interfaces of no server; puts " +
      "back what servers that are alive lack. Their players notice nothing. Exit status 1 when something is left that " +
      "it cannot put right.",
    examples: [
      ["Collect, and say what was done", "dp gc"],
      ["Only say what would be done", "dp gc --dry-run"],
    ],
  });

  dryRun = Option.Boolean("--dry-run", false, { description: "change nothing" });

  override async perform(): Promise<GcResult> {
    const { gc } = await hostLibrary();
    return gc({ ...this.hostOptions(), dryRun: this.dryRun });
  }

  protected override exitCode({ remaining }: GcResult): number {
    return remaining.some(({ severity }) => severity === "error") ? EXIT_FAILED : EXIT_DONE;
  }

  override present({ dryRun, collected, removed, mended, remaining }: GcResult): string {
    const { green } = this.style;
    const verb = (past: string, future: string) => green(dryRun ? `would ${future}` : past);
    const lines = [
      ...collected.map(({ port, name }) => `${verb("collected", "collect")} server ${port} (${name})\n`),
      ...removed.map(({ what }) => `${verb("cleared", "clear")} ${what}\n`),
      ...mended.map((finding) => `${verb("mended", "mend")} ${describeFinding(finding)}\n`),
    ];
    if (lines.length === 0 && remaining.length === 0) return "there was nothing to collect\n";
    return `${lines.join("")}${renderFindings(remaining, this.style)}`;
  }
}
