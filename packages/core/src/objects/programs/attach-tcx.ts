import { Link } from "../../libbpf/link.ts";
import { renamePin, unpin } from "../../libbpf/pin.ts";
import type { Program } from "../../libbpf/program.ts";
import { attachTcx, type TcxPosition } from "../../libbpf/tcx.ts";
import { type AttachedState, DIRECTION, type Mechanism, NOT_ATTACHED, type Place } from "./attachment.ts";
import { swapLink } from "./swap-link.ts";

/** The pin is the link's. */
export const tcx: Mechanism = {
  name: "tcx",

  attach(place, program) {
    using neighbour = neighbourOf(place);
    const position = positionBeside(place, neighbour);
    // Until it is pinned the link lives as long as this descriptor: a failure to pin detaches it.
    using link = attachTcx({ program, ifindex: place.iface.index, direction: DIRECTION[place.program], position });
    link.pin(place.path);
  },

  update(place, program) {
    using link = Link.findPin(place.path);
    if (link === undefined) return false;
    if (stateOf(link).ifindex === place.iface.index && swapLink(link, program)) return true;
    link.detach();
    unpin(place.path);
    return false;
  },

  detach({ path }) {
    using link = Link.findPin(path);
    link?.detach();
    unpin(path);
  },

  rename(place, path) {
    renamePin(place.path, path);
  },

  state({ path }) {
    using link = Link.findPin(path);
    return link === undefined ? NOT_ATTACHED : stateOf(link);
  },
};

/** The link of an interface that is gone keeps its program, which then runs nowhere. */
function stateOf(link: Link): AttachedState {
  const info = link.info();
  return info.kind === "tcx" && info.ifindex !== 0
    ? { ifindex: info.ifindex, programId: info.programId }
    : NOT_ATTACHED;
}

/** Swaps the program of a pinned link, wherever its interface is. False when none is pinned or that is gone. */
export function swapTcx(path: string, program: Program): boolean {
  using link = Link.findPin(path);
  return link !== undefined && swapLink(link, program);
}

/** arp answers before snat sees a packet, whichever of them was attached first. */
function neighbourOf({ program, iface, pathOf }: Place): Link | undefined {
  if (program !== "arp" && program !== "snat") return undefined;
  const other = program === "arp" ? "snat" : "arp";
  const path = pathOf(other);
  const there = tcx.state({ program: other, path, ifaceName: iface.name });
  return there.ifindex === iface.index ? Link.findPin(path) : undefined;
}

function positionBeside({ program }: Place, neighbour: Link | undefined): TcxPosition {
  if (program === "arp") return neighbour === undefined ? "first" : { before: neighbour };
  return neighbour === undefined ? "last" : { after: neighbour };
}
