/**
 * Writes attempts.md, the list of all attempts, from the tables that the tests make the attempts from:
 *
 *     bun run generate
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROBES } from "./arrangement.ts";
import { ARRANGEMENTS, DETACHED } from "./arrangements.ts";
import type { Attempt, Outcome } from "./attempt.ts";
import { TOPICS } from "./attempts/index.ts";
import type { Place } from "./world.ts";

export const DOCUMENT = join(import.meta.dirname, "attempts.md");

const REACHED: Readonly<Record<Place, string>> = {
  uplink: "leaves by the uplink",
  host: "reaches the host",
  containers: "reaches the other container",
};

function result({ reaches = [], drops, because }: Outcome): string {
  const what =
    reaches.length > 0 ? reaches.map((place) => REACHED[place]).join(", ") : drops ? "dropped" : "goes nowhere";
  return because === undefined ? what : `${what}: ${because}`;
}

function counted({ drops = {} }: Outcome): string {
  const counters = Object.entries(drops).map(
    ([reason, packets]) => `\`${reason}\`${packets === 1 ? "" : ` ${packets}`}`,
  );
  return counters.join(", ") || "-";
}

function table(first: string, rows: readonly (Outcome & { name: string })[]): string {
  const lines = rows.map((row) => `| ${row.name} | ${result(row)} | ${counted(row)} |`);
  return [`| ${first} | what happens | counter |`, "| --- | --- | --- |", ...lines].join("\n");
}

const SAME = "| nothing else than from eth0 as it is | the same |";

/** A row for each arrangement, or one for each outcome of those that are different under it. */
function differences(): string {
  const rows = [...ARRANGEMENTS, DETACHED].flatMap((arrangement) => {
    const { name, otherwise = {} } = arrangement;
    const byOutcome = new Map<string, string[]>();
    for (const [probe, outcome] of Object.entries(otherwise)) {
      const row = `| ${result(outcome)} | ${counted(outcome)} |`;
      byOutcome.set(row, [...(byOutcome.get(row) ?? []), probe]);
    }
    if (byOutcome.size === 0) return [`| ${name} ${SAME}`];
    return [...byOutcome].map(([row, probes]) => `| ${name}: ${which(probes)} ${row}`);
  });
  return ["| arrangement: attempts | what happens | counter |", "| --- | --- | --- |", ...rows].join("\n");
}

function which(probes: readonly string[]): string {
  const others = PROBES.filter(({ name }) => !probes.includes(name)).map(({ name }) => name);
  if (others.length === 0) return "all of them";
  return others.length < probes.length ? `all but ${others.join("; ")}` : probes.join("; ");
}

const count = (attempts: readonly (readonly Attempt[])[]) => attempts.reduce((sum, each) => sum + each.length, 0);

export function render(): string {
  const frames = count(TOPICS.map(({ attempts }) => attempts));
  const arranged = (ARRANGEMENTS.length + 1) * PROBES.length;
  const topics = TOPICS.map(({ title, attempts }) => `### ${title}\n\n${table("attempt", attempts)}\n`);
  return `# All attempts to get around the proxy

Written by \`document.ts\` from the tables beside it: ${frames} attempts with single frames, and ${arranged} with rearranged interfaces.
[docs/escape-attempts.md](../../../docs/escape-attempts.md) says how they are made and observed. Where a packet arrives,
it arrives with the right addresses, or the test fails.

## Frames from a packet socket

${topics.join("\n")}
## The container's own interfaces, routes and programs

The same attempts from eth0 as it is, and then under each arrangement:

${table("attempt", PROBES)}

${differences()}

Besides, in \`escape-rearranged.test.ts\` and \`escape-window.test.ts\`:

| attempt | what happens |
| --- | --- |
| every ARP packet above, out of an ifb device | not answered; the host's neighbours are what they were |
| frames sent without pause while the server is added and removed, eight times | none is seen on the uplink or the host |
| eth0 deleted and made anew, with the same name, address and MAC | leads nowhere: the host's end went with the old one |
`;
}

if (import.meta.main) writeFileSync(DOCUMENT, render());
