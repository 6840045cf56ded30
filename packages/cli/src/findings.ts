import type { Finding } from "@dp/host";
import type { Style } from "./style.ts";

/** What is wrong, and below each what to do about it. */
export function renderFindings(findings: readonly Finding[], { bold, red, yellow }: Style): string {
  return findings
    .map(({ severity, server, what, fix }) => {
      const paint = severity === "error" ? red : yellow;
      const whose = server === undefined ? "" : `server ${server.port} (${server.name}): `;
      return `${paint(`${severity}:`)} ${whose}${what}\n  ${bold("fix:")} ${fix}\n`;
    })
    .join("");
}
