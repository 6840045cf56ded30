/**
 * docs/escape-attempts.md, from the tables that the tests make the attempts from:
 *
 *     bun run generate        writes it
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROBES } from "./arrangement.ts";
import { ARRANGEMENTS, DETACHED } from "./arrangements.ts";
import type { Attempt, Outcome } from "./attempt.ts";
import { TOPICS } from "./attempts/index.ts";
import type { Place } from "./world.ts";

export const DOCUMENT = join(import.meta.dirname, "../../../docs/escape-attempts.md");

const REACHED: Readonly<Record<Place, string>> = {
  uplink: "leaves by the uplink",
  host: "reaches the host",
  containers: "reaches the other container",
};

function happened({ reaches = [], drops, because }: Outcome): string {
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
  const lines = rows.map((row) => `| ${row.name} | ${happened(row)} | ${counted(row)} |`);
  return [`| ${first} | what happens | counter |`, "| --- | --- | --- |", ...lines].join("\n");
}

const SAME = "| nothing else than from eth0 as it is | the same |";

/** A row for each arrangement, or one for each outcome of those that are different under it. */
function differences(): string {
  const rows = [...ARRANGEMENTS, DETACHED].flatMap((arrangement) => {
    const { name, otherwise = {} } = arrangement;
    const byOutcome = new Map<string, string[]>();
    for (const [probe, outcome] of Object.entries(otherwise)) {
      const row = `| ${happened(outcome)} | ${counted(outcome)} |`;
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
  return `# Attempts to get around the proxy

What a container tries with every capability inside its own namespace, what becomes of it, and which counter of its server
says so (\`dp show --port N\`, \`--json\`: \`counters.drops\`). The file is written from the tables in \`test/e2e/escape\`; the
tests make every attempt (${frames} with single frames, ${arranged} under rearranged interfaces) between two times that what must arrive
does, look for it at the uplink, in the other containers and on the host, and compare the counters. Where it says that
something arrives, it arrives under the right addresses, or the test fails.

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
