import type { Finding } from "@dp/host";
import type { Style } from "./style.ts";

/** "server 25570 (lobby): its interface is gone" */
export function describeFinding({ server, what }: Finding): string {
  return server === undefined ? what : `server ${server.port} (${server.name}): ${what}`;
}

/** The findings, each with its fix below it. */
export function renderFindings(findings: readonly Finding[], { bold, red, yellow }: Style): string {
  return findings
    .map((finding) => {
      const { severity, fix } = finding;
      const paint = severity === "error" ? red : yellow;
      return `${paint(`${severity}:`)} ${describeFinding(finding)}\n  ${bold("fix:")} ${fix}\n`;
    })
    .join("");
}
