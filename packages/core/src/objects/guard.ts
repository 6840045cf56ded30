/** dp_guard on the host's netfilter: what came around the programs on host peers goes no further. */
import { objects as images } from "@dp/bpf";
import { Errno, SyscallError } from "@dp/sys";
import { Link } from "../libbpf/link.ts";
import { BpfMap } from "../libbpf/map.ts";
import { attachNetfilter, setNetfilterType } from "../libbpf/netfilter.ts";
import { BpfObject } from "../libbpf/object.ts";
import { pinOver, unpin } from "../libbpf/pin.ts";
import type { Program } from "../libbpf/program.ts";
import { rawCodecs } from "./load.ts";
import type { PinRoot } from "./pin-root.ts";

/** Before all else. Two, since a link of this kind cannot be updated: the new one goes beside the old. */
const PRIORITIES = [-2_000_000_000, -1_999_999_999] as const;

/** Attaches it to the calling thread's network namespace; in place of what is pinned there, without a gap. */
export function attachGuard(root: PinRoot, image = images.guard()): "attached" | "updated" | "unsupported" {
  using object = loadGuard(root, image);
  if (object === undefined) return "unsupported";
  using old = Link.findPin(root.guardLink);
  using link = attachBeside(object.program("dp_guard"));
  pinOver(link.fd, root.guardLink);
  old?.detach();
  return old === undefined ? "attached" : "updated";
}

/** False when it is not pinned. */
export function detachGuard(root: PinRoot): boolean {
  using link = Link.findPin(root.guardLink);
  link?.detach();
  return unpin(root.guardLink);
}

/** With the maps that are pinned. undefined on a kernel that has no such programs. */
function loadGuard(root: PinRoot, image: Uint8Array): BpfObject | undefined {
  using open = BpfObject.open(image, { name: "guard" });
  for (const map of open.maps().filter(({ internal }) => !internal)) {
    using pinned = BpfMap.fromPin(root.map(map.name), ...rawCodecs(map));
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

function attachBeside(program: Program): Link {
  const [priority, other] = PRIORITIES;
  const hook = { program, family: "ipv4", hook: "prerouting" } as const;
  try {
    return attachNetfilter({ ...hook, priority });
  } catch (error) {
    if (!(error instanceof SyscallError && error.errno === Errno.EBUSY)) throw error;
    return attachNetfilter({ ...hook, priority: other });
  }
}
