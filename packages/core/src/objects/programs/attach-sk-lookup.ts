/** Programs on the socket look-up of the host's network namespace. */
import { currentNetns, netnsInode } from "@dp/sys";
import { Link } from "../../libbpf/link.ts";
import { pinOver, unpin } from "../../libbpf/pin.ts";
import type { Program } from "../../libbpf/program.ts";
import { attachSkLookup } from "../../libbpf/sk-lookup.ts";
import { Undo } from "../upgrade/undo.ts";
import type { HostAttachment } from "./host-attachment.ts";
import { loadWithPinnedMaps } from "./load-with-pinned-maps.ts";
import type { PinRoot } from "./pin-root.ts";
import { functionName, SK_LOOKUP_PROGRAMS } from "./program-table.ts";
import { swapLink } from "./swap-link.ts";

/** Attaches them to the calling thread's network namespace; in place of what is pinned, in one step. */
export function attachSkLookupPrograms(root: PinRoot): "attached" | "updated" {
  using undo = new Undo();
  let result: "attached" | "updated" = "updated";
  try {
    for (const row of SK_LOOKUP_PROGRAMS) {
      using object = loadWithPinnedMaps(root, row);
      const path = root.hostLink(row.name);
      if (upsert(object.program(functionName(row.name)), path) === "updated") continue;
      result = "attached";
      undo.add(() => detach(path));
    }
    return result;
  } catch (error) {
    throw undo.because(error);
  }
}

/** False when none is pinned. */
export function detachSkLookupPrograms(root: PinRoot): boolean {
  return SK_LOOKUP_PROGRAMS.map((row) => detach(root.hostLink(row.name))).includes(true);
}

/** The programs that should be attached, and whether each is. */
export function skLookupAttachments(root: PinRoot): HostAttachment[] {
  return SK_LOOKUP_PROGRAMS.map((row) => {
    const path = root.hostLink(row.name);
    using link = Link.findPin(path);
    const state = link === undefined ? "not pinned" : isOnThisNetns(link) ? "attached" : "detached";
    return { program: row.name, path, state };
  });
}

function upsert(program: Program, path: string): "attached" | "updated" {
  using pinned = Link.findPin(path);
  if (pinned !== undefined && isOnThisNetns(pinned) && swapLink(pinned, program)) return "updated";
  using link = attachSkLookup(program);
  pinOver(link.fd, path);
  pinned?.detach();
  return "attached";
}

function detach(path: string): boolean {
  using link = Link.findPin(path);
  link?.detach();
  return unpin(path);
}

function isOnThisNetns(link: Link): boolean {
  using netns = currentNetns();
  const info = link.info();
  return info.kind === "netns" && BigInt(info.netnsInode) === netnsInode(netns);
}
