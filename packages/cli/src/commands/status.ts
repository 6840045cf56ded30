import type { Status } from "@dp/host";
import { DpCommand } from "../dp-command.ts";
import { dropFields } from "../drop-reason.ts";
import { EXIT_DONE, EXIT_FAILED, EXIT_NOT_LOADED } from "../exit-code.ts";
import { renderFindings } from "../findings.ts";
import { hostLibrary } from "../host-library.ts";
import { renderFields } from "../table.ts";

export class StatusCommand extends DpCommand {
  static override paths = [["status"]];
  static override usage = DpCommand.Usage({
    category: "Host",
    description: "show what is loaded, and what is wrong with it",
    details:
      "Compares the records with the kernel's state, server by server. Exit code 0 when nothing is wrong, 1 when " +
      "something is, 3 when nothing is loaded. It changes nothing: dp repair does.",
    examples: [
      ["For an operator", "dp status"],
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
    const { loaded, healthy, pinRoot, mechanism, uplinks, publicAddresses, servers, drops, findings } = status;
    const { green, red, yellow } = this.style;
    if (!loaded) return `${yellow("not loaded")} at ${pinRoot}\n${renderFindings(findings, this.style)}`;
    const states = (["active", "frozen", "pending"] as const)
      .filter((state) => servers[state] > 0)
      .map((state) => `${servers[state]} ${state}`);
    const fields: (readonly [string, string])[] = [
      ["uplinks", uplinks.map(({ name }) => name).join(", ") || "none"],
      ["public address", Object.values(publicAddresses ?? {}).join(", ") || "none"],
      ["attached by", mechanism === "tcx" ? "TCX links" : mechanism === "clsact" ? "clsact filters" : "nothing"],
      ["servers", states.join(", ") || "none"],
      ...dropFields(drops),
    ];
    return (
      `${healthy ? green("healthy") : red("not healthy")}\n` +
      renderFields(fields, this.style) +
      renderFindings(findings, this.style)
    );
  }
}
