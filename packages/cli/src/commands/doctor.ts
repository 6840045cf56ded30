import type { DoctorCheck, DoctorReport, Finding } from "@dp/host";
import { DpCommand } from "../dp-command.ts";
import { EXIT_DONE, EXIT_FAILED } from "../exit-code.ts";
import { hostLibrary } from "../host-library.ts";

type Result = "ok" | Finding["severity"];

export class DoctorCommand extends DpCommand {
  static override paths = [["doctor"]];
  static override usage = DpCommand.Usage({
    category: "Host",
    description: "check this host's requirements and what could interfere; print a fix for each finding",
    details:
      "Checks the kernel by trying its features, libbpf, mounts, privileges, udev's .link files, sysctls, the " +
      "firewall and other programs on the same hooks. It changes nothing, and nothing has to be loaded. Exit code " +
      "1 when it finds an error; warnings do not count. dp status checks the servers.",
    examples: [
      ["Before the first dp load, or when something does not work", "dp doctor"],
      ["The failed checks, for a script", "dp doctor --json | jq '.checks[] | select(.ok | not)'"],
    ],
  });

  override async perform(): Promise<DoctorReport> {
    const { doctor } = await hostLibrary();
    return doctor(this.hostOptions());
  }

  protected override exitCode({ healthy }: DoctorReport): number {
    return healthy ? EXIT_DONE : EXIT_FAILED;
  }

  override present({ checks }: DoctorReport): string {
    const { dim } = this.style;
    const width = Math.max(...checks.map(({ name }) => name.length));
    const indent = " ".repeat("warning".length + width + 4);
    const lines = checks.flatMap(({ name, what, findings }) => {
      const left = (result: Result) => `${this.#paint(result)}  ${name.padEnd(width)}`;
      if (findings.length === 0) return `${left("ok")}  ${what}`;
      return findings.flatMap((finding) => [
        `${left(finding.severity)}  ${finding.what}`,
        `${indent}${dim("fix:")} ${finding.fix}`,
      ]);
    });
    return `${[...lines, "", summary(checks)].join("\n")}\n`;
  }

  #paint(result: Result): string {
    const { green, red, yellow } = this.style;
    const paint = { ok: green, warning: yellow, error: red }[result];
    return paint(result.padEnd("warning".length));
  }
}

function summary(checks: readonly DoctorCheck[]): string {
  const count = (wanted: Finding["severity"]) =>
    checks.flatMap(({ findings }) => findings).filter(({ severity }) => severity === wanted).length;
  const [errors, warnings] = [count("error"), count("warning")];
  if (errors + warnings === 0) return "nothing is wrong";
  const number = (of: number, what: string) => `${of} ${what}${of === 1 ? "" : "s"}`;
  return `${number(errors, "error")}, ${number(warnings, "warning")}`;
}
