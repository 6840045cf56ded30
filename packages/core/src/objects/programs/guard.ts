/** dp_guard on the host's netfilter: what came around the programs on host peers goes no further. */
import { objects as images } from "@dp/bpf";
import { Errno, SyscallError } from "@dp/sys";
import { Link } from "../../libbpf/link.ts";
import { BpfMap } from "../../libbpf/map.ts";
import { attachNetfilter, setNetfilterType } from "../../libbpf/netfilter.ts";
import { BpfObject } from "../../libbpf/object.ts";
import { pinOver, unpin } from "../../libbpf/pin.ts";
import type { Program } from "../../libbpf/program.ts";
import { rawCodecs } from "../../libbpf/raw-map.ts";
import type { PinRoot } from "./pin-root.ts";

/** Each has a hook of its own. */
const FAMILIES = ["ipv4", "ipv6"] as const;
type Family = (typeof FAMILIES)[number];

/**
 * Before all else. No two programs of a hook may have the same: a link of this kind cannot be updated, so that a later
 * load's goes beside the one before, and there may be other pin roots.
 */
const PRIORITIES = Array.from({ length: 64 }, (_, index) => -2_000_000_000 + index);

/** Attaches it to the calling thread's network namespace; in place of what is pinned there, without a gap. */
export function attachGuard(root: PinRoot, image = images.guard()): "attached" | "updated" | "unsupported" {
  using object = loadGuard(root, image);
  if (object === undefined) return "unsupported";
  const program = object.program("dp_guard");
  const attached: Family[] = [];
  try {
    for (const family of FAMILIES) if (upsert(root, family, program) === "attached") attached.push(family);
  } catch (error) {
    for (const family of attached) detach(root, family);
    throw error;
  }
  return attached.length > 0 ? "attached" : "updated";
}

/** False when it is not pinned. */
export function detachGuard(root: PinRoot): boolean {
  return FAMILIES.map((family) => detach(root, family)).includes(true);
}

function upsert(root: PinRoot, family: Family, program: Program): "attached" | "updated" {
  const path = root.guardLink(family);
  using old = Link.findPin(path);
  using link = attachBeside(family, program);
  pinOver(link.fd, path);
  old?.detach();
  return old === undefined ? "attached" : "updated";
}

function detach(root: PinRoot, family: Family): boolean {
  const path = root.guardLink(family);
  using link = Link.findPin(path);
  link?.detach();
  return unpin(path);
}

/** With the maps that are pinned. undefined on a kernel that has no such programs. */
function loadGuard(root: PinRoot, image: Uint8Array): BpfObject | undefined {
  using open = BpfObject.open(image, { name: "guard" });
  for (const map of open.maps().filter(({ internal }) => !internal)) {
    using pinned = BpfMap.fromPin(root.map(map.name), ...rawCodecs(map.type, map.keySize, map.valueSize));
    map.reuse(pinned);
  }
  for (const program of open.programs()) setNetfilterType(program);
  try {
    return open.load();
  } catch (error) {
    // All that a kernel says of a type of program it does not know. A program it refuses has the verifier's log.
    if (error instanceof SyscallError && error.errno === Errno.EINVAL) return undefined;
    throw error;
  }
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
