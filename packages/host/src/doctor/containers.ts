import { serverLabel } from "@dp/core";
import { ADMINISTRATOR_REMEDY, administrators, describeAdministrator } from "../container/authority.ts";
import type { Verdict } from "./check.ts";
import type { HostView } from "./host-view.ts";

/** Containers whose processes could administer the host's network. */
export function checkContainers({ records }: HostView): Verdict {
  if (records.length === 0) return "there are no servers";
  const found = administrators(records.map(({ netns }) => netns.inode));
  const findings = records.flatMap((record) => {
    const administrator = found.get(record.netns.inode);
    if (record.trusted || administrator === undefined) return [];
    const { id, name } = record;
    const what = `${serverLabel(record)}: ${describeAdministrator(administrator)}`;
    const severity = record.network === "keep" ? "warning" : "error";
    return [
      { code: "container-administers-host", severity, server: { id, name }, what, fix: ADMINISTRATOR_REMEDY } as const,
    ];
  });
  if (findings.length > 0) return findings;
  const trusted = records.filter((record) => record.trusted);
  if (trusted.length === 0) return "no container could administer the host's network";
  return `only trusted containers could administer the host's network: ${trusted.map(serverLabel).join(", ")}`;
}
