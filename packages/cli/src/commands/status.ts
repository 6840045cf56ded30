import type { Status } from "@dp/host";
import { formatPackets } from "../amount.ts";
import { DpCommand } from "../dp-command.ts";
import { describeDrop } from "../drop-reason.ts";
import { EXIT_DONE, EXIT_FAILED, EXIT_NOT_LOADED } from "../exit-code.ts";
import { renderFindings } from "../findings.ts";
import { hostLibrary } from "../host-library.ts";
import { renderFields } from "../table.ts";

export class StatusCommand extends DpCommand {
  static override paths = [["status"]];
  static override usage = DpCommand.Usage({
    category: "Host",
    description: "one look: what is loaded, and what is wrong with it",
    details:
      "Compares what is written down with what the kernel has, server by server. Exit status 0 when all is well, 1 when " +
      "something is wrong, 3 when nothing is loaded. It changes nothing: dp gc does.",
    examples: [
      ["As a table, and what is wrong", "dp status"],
      ["For monitoring", "dp status --json"],
    ],
  });

  override async perform(): Promise<Status> {
    const { status } = await hostLibrary();
    return status(this.hostOptions());
  }

  protected override exitCode({ loaded, healthy }: Status): number {
    if (!loaded) return EXIT_NOT_LOADED;
    return healthy ? EXIT_DONE : EXIT_FAILED;
  }

  override present(status: Status): string {
    const { loaded, healthy, pinRoot, mechanism, uplinks, publicAddress, servers, drops, findings } = status;
    const { green, red, yellow } = this.style;
    if (!loaded) return `${yellow("not loaded")} at ${pinRoot}\n${renderFindings(findings, this.style)}`;
    const states = (["active", "frozen", "pending"] as const)
      .filter((state) => servers[state] > 0)
      .map((state) => `${servers[state]} ${state}`);
    const dropped = Object.entries(drops);
    const sum = dropped.reduce((total, [, packets]) => total + packets, 0);
    const fields: (readonly [string, string])[] = [
      ["uplinks", uplinks.map(({ name }) => name).join(", ") || "none"],
      ["public address", publicAddress ?? "none"],
      ["attached by", mechanism === "tcx" ? "TCX links" : mechanism === "clsact" ? "clsact filters" : "nothing"],
      ["servers", states.join(", ") || "none"],
      ["dropped", formatPackets(sum)],
      ...dropped.map(([reason, packets]) => ["", `${packets.toLocaleString("en")}  ${describeDrop(reason)}`] as const),
    ];
    return (
      `${healthy ? green("healthy") : red("not healthy")}\n` +
      renderFields(fields, this.style) +
      renderFindings(findings, this.style)
    );
  }
}
