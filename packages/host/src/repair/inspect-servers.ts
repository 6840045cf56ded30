import type { ServerRecord } from "@dp/core";
import type { Link } from "@dp/netlink";
import { SERVER_PARTS } from "../server/parts/list.ts";
import { presentHostPeer } from "../server/present.ts";
import { removeServer } from "../server/remove.ts";
import { removeBy, type Problem, serverProblem } from "./problem.ts";
import type { View } from "./view.ts";

/** The problems of all servers that have a record. */
export function inspectServers(view: View): Problem[] {
  return view.records.flatMap((record) => inspectServer(view, record));
}

/** All orphans: entries, pins and interfaces without a server. */
export function inspectOrphans(view: View): Problem[] {
  return SERVER_PARTS.toReversed().flatMap((part) => part.orphans?.(view) ?? []);
}

function inspectServer(view: View, record: ServerRecord): Problem[] {
  const { objects, netlink, options } = view;
  const removal = removeBy(() => removeServer(objects, netlink, record, { ...options, onStep: undefined }), record);
  if (record.state === "pending") {
    const what = "it is a leftover of a command that was killed while adding or removing it";
    return [serverProblem(record, { code: "server-pending", severity: "error", what }, removal)];
  }
  const link = view.link(record.hostPeer.ifindex);
  if (presentHostPeer(objects, record, link) === undefined) {
    return [serverProblem(record, absence(view, record, link), removal)];
  }
  return SERVER_PARTS.flatMap((part) => part.check?.(view, record) ?? []);
}

/** Why a server has no host peer. */
function absence(view: View, record: ServerRecord, other: Link | undefined) {
  const { name, ifindex } = record.hostPeer;
  if (other !== undefined) {
    const what = `its host peer ${name} is gone, and ${other.name} has its index ${ifindex} now`;
    return { code: "host-peer-replaced", severity: "error", what } as const;
  }
  if (view.link(name) !== undefined) {
    const what = `its host peer ${name} is gone, and another interface has that name now`;
    return { code: "host-peer-replaced", severity: "error", what } as const;
  }
  const what = `its host peer ${name} is gone: the container ended, or the interface was deleted`;
  return { code: "host-peer-gone", severity: "error", what } as const;
}
