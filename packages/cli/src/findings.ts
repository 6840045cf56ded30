import type { Finding } from "@dp/host";
import { printable } from "@dp/sys/printable";
import { serverLabel } from "./server-label.ts";
import type { Style } from "./style.ts";

/** "server lobby (id 7): its interface is gone" */
export function describeFinding({ server, what }: Finding): string {
  return printable(server === undefined ? what : `${serverLabel(server)}: ${what}`);
}

/** The findings, each with its fix below it. */
export function renderFindings(findings: readonly Finding[], { bold, red, yellow }: Style): string {
  return findings
    .map((finding) => {
      const { severity, fix } = finding;
      const paint = severity === "error" ? red : yellow;
      return `${paint(`${severity}:`)} ${describeFinding(finding)}\n  ${bold("fix:")} ${printable(fix)}\n`;
    })
    .join("");
}
