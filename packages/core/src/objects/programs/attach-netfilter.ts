/** Programs on the host's netfilter, for IPv4 and IPv6. */
import { Errno, SyscallError } from "@dp/sys";
import { Link } from "../../libbpf/link.ts";
import { attachNetfilter } from "../../libbpf/netfilter.ts";
import { pinOver, unpin } from "../../libbpf/pin.ts";
import { Program } from "../../libbpf/program.ts";
import { Undo } from "../upgrade/undo.ts";
import type { HostAttachment } from "./host-attachment.ts";
import { loadWithPinnedMaps } from "./load-with-pinned-maps.ts";
import type { PinRoot } from "./pin-root.ts";
import { functionName, NETFILTER_PROGRAMS, type NetfilterProgramRow } from "./program-table.ts";

/** Each has a hook of its own. */
const FAMILIES = ["ipv4", "ipv6"] as const;
type Family = (typeof FAMILIES)[number];

/**
 * Before all other programs and rules. No two programs of a hook may have the same priority. A link of this kind cannot
 * be updated, so the link of a later load stands beside the link before it; and there may be other pin roots.
 */
const PRIORITIES = Array.from({ length: 64 }, (_, index) => -2_000_000_000 + index);

/**
 * Attaches them to the calling thread's network namespace; in place of what is pinned, without a gap.
 *
 * @param image the object file, when it is not this package's
 */
export function attachNetfilterPrograms(root: PinRoot, image?: Uint8Array): "attached" | "updated" {
  using undo = new Undo();
  let result: "attached" | "updated" = "updated";
  try {
    for (const row of NETFILTER_PROGRAMS) {
      using object = loadWithPinnedMaps(root, row, image);
      const program = object.program(functionName(row.name));
      for (const family of FAMILIES) {
        if (upsert(root, row, family, program) === "updated") continue;
        result = "attached";
        undo.add(() => detach(root, row, family));
      }
    }
    return result;
  } catch (error) {
    throw undo.because(error);
  }
}

/** False when none is pinned. */
export function detachNetfilterPrograms(root: PinRoot): boolean {
  return NETFILTER_PROGRAMS.flatMap((row) => FAMILIES.map((family) => detach(root, row, family))).includes(true);
}

/** The programs that should be attached, and whether each is. */
export function netfilterAttachments(root: PinRoot): HostAttachment[] {
  return NETFILTER_PROGRAMS.flatMap((row) =>
    FAMILIES.map((family) => {
      const path = root.netfilterLink(row.name, family);
      using link = Link.findPin(path);
      return { program: row.name, family, path, state: stateOf(link, family) };
    }),
  );
}

function stateOf(link: Link | undefined, family: Family): HostAttachment["state"] {
  const info = link?.info();
  if (info?.kind !== "netfilter") return "not pinned";
  // Of two programs of a hook, the kernel refuses one of the same priority. This one does what the first does.
  using program = Program.fromId(info.programId);
  try {
    using _beside = attachNetfilter({ program, family, hook: "prerouting", priority: info.priority });
    return "detached";
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.EBUSY) return "attached";
    throw error;
  }
}

function upsert(root: PinRoot, row: NetfilterProgramRow, family: Family, program: Program): "attached" | "updated" {
  const path = root.netfilterLink(row.name, family);
  using old = Link.findPin(path);
  using link = attachBeside(family, program);
  pinOver(link.fd, path);
  old?.detach();
  return old === undefined ? "attached" : "updated";
}

function detach(root: PinRoot, row: NetfilterProgramRow, family: Family): boolean {
  const path = root.netfilterLink(row.name, family);
  using link = Link.findPin(path);
  link?.detach();
  return unpin(path);
}

function attachBeside(family: Family, program: Program): Link {
  for (const [index, priority] of PRIORITIES.entries()) {
    try {
      return attachNetfilter({ program, family, hook: "prerouting", priority });
    } catch (error) {
      const taken = error instanceof SyscallError && error.errno === Errno.EBUSY;
      if (!taken || index === PRIORITIES.length - 1) throw error;
    }
  }
  throw new RangeError("there are priorities");
}
