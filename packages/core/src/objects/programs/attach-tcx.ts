import { Link } from "../../libbpf/link.ts";
import { renamePin, unpin } from "../../libbpf/pin.ts";
import type { Program } from "../../libbpf/program.ts";
import { attachTcx, type TcxPosition } from "../../libbpf/tcx.ts";
import { type AttachedState, type Mechanism, NOT_ATTACHED, type Place } from "./mechanism.ts";
import { type InterfaceProgramRow, programsAt } from "./program-table.ts";
import { swapLink } from "./swap-link.ts";

/** The pin is the link's. */
export const tcx: Mechanism = {
  name: "tcx",

  attach(place, program) {
    const { row, iface, path } = place;
    using neighbour = findNeighbour(place);
    const position = neighbour?.position ?? endOf(row);
    // Until it is pinned the link lives as long as this descriptor: a failure to pin detaches it.
    using link = attachTcx({ program, ifindex: iface.index, direction: row.direction, position });
    link.pin(path);
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

/** Replaces the program of a pinned link, wherever its interface is. False when no link is pinned, or that is gone. */
export function swapTcx(path: string, program: Program): boolean {
  using link = Link.findPin(path);
  return link !== undefined && swapLink(link, program);
}

/** The other programs of the same hook, in their order. */
function othersOnHook(row: InterfaceProgramRow): readonly InterfaceProgramRow[] {
  return programsAt(row.place)
    .filter(({ direction, name }) => direction === row.direction && name !== row.name)
    .toSorted((one, other) => one.order - other.order);
}

interface Neighbour extends Disposable {
  position: TcxPosition;
}

/** The closest program before this one that is attached, or else the closest after it. */
function findNeighbour({ row, iface, pathOf }: Place): Neighbour | undefined {
  const others = othersOnHook(row);
  const before = others.filter(({ order }) => order < row.order).toReversed();
  const after = others.filter(({ order }) => order > row.order);
  for (const other of [...before, ...after]) {
    const link = Link.findPin(pathOf(other.name));
    if (link === undefined) continue;
    if (stateOf(link).ifindex === iface.index) {
      const position = other.order < row.order ? { after: link } : { before: link };
      return { position, [Symbol.dispose]: () => link.close() };
    }
    link.close();
  }
  return undefined;
}

/** Before programs of other software where more of ours follow, after them where none does. */
function endOf(row: InterfaceProgramRow): TcxPosition {
  return othersOnHook(row).some(({ order }) => order > row.order) ? "first" : "last";
}
