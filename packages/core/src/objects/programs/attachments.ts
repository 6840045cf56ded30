import { type Fd, withNetns } from "@dp/sys";
import { pinnedKind } from "../../libbpf/pin.ts";
import { interfaceName } from "../interface.ts";
import { Undo } from "../upgrade/undo.ts";
import { detachCgroup, pinnedCgroup, programOnCgroup, upsertCgroup } from "./attach-cgroup.ts";
import { clearUp, clsact, clsactProgram } from "./attach-clsact.ts";
import { attachNetfilterPrograms, detachNetfilterPrograms, netfilterAttachments } from "./attach-netfilter.ts";
import { attachSkLookupPrograms, detachSkLookupPrograms, skLookupAttachments } from "./attach-sk-lookup.ts";
import { swapTcx, tcx } from "./attach-tcx.ts";
import type { HostAttachment } from "./host-attachment.ts";
import type { LoadedProgram, LoadedPrograms } from "./loaded-programs.ts";
import { type AttachTarget, chooseMechanism, type Mechanism, type MechanismName, type Place } from "./mechanism.ts";
import type { PinRoot } from "./pin-root.ts";
import {
  CGROUP_PROGRAMS,
  type CgroupProgram,
  type ContainerPeerProgram,
  type HostInterfaceProgram,
  INTERFACE_PROGRAMS,
  type InterfaceProgram,
  type PinnedProgram,
  programRow,
  programsAt,
} from "./program-table.ts";

/** A program attached to an interface. */
export interface Attachment {
  program: InterfaceProgram;
  /** The interface's name when it was attached. For a container peer, the host peer's name. */
  iface: string;
  /**
   * 0 when the interface is gone. For a container peer, its index in the container's namespace; or, with clsact, the
   * host peer's, which exists as long.
   */
  ifindex: number;
  /**
   * The kernel's id of the program that runs there; 0 when none does: the interface is gone, or the program was
   * detached by other software. undefined for a container peer with clsact: see {@link Attachments.programAt}.
   */
  programId: number | undefined;
  /** The pin that keeps it. */
  path: string;
  mechanism: MechanismName;
}

/** A program attached to a cgroup. */
export interface CgroupAttachment {
  program: CgroupProgram;
  /** The inode number of the cgroup's folder; 0 when it is gone. */
  cgroupId: bigint;
  /** The kernel's id of the program that runs there; 0 when the cgroup is gone. */
  programId: number;
  /** The pin that keeps it. */
  path: string;
}

/** Where a container peer is. */
export interface ContainerPlace {
  /** The container's network namespace. */
  netns: Fd;
  /** The other end of the veth pair. It names the pin: names of container peers are not unique. */
  hostPeerName: string;
}

/** Whether a program was attached anew, or replaced the one that was attached, in one step. */
export type AttachResult = "attached" | "updated";

/** What {@link Attachments} works with. */
export interface AttachmentsOptions {
  root: PinRoot;
  /** Closed with the attachments. */
  programs: LoadedPrograms;
  /** For a root where nothing is attached yet. Default: what the kernel has. */
  mechanism: MechanismName | undefined;
  /** The ifindexes of the uplinks. */
  uplinks: () => readonly number[];
}

/**
 * The loaded programs of one pin root, and where they are attached, as the program table says.
 *
 * Interfaces are those of the calling thread's network namespace: the host's. What is attached stays when this is
 * closed. What the kernel refuses throws `SyscallError`.
 */
export class Attachments implements Disposable {
  readonly #root: PinRoot;
  readonly #programs: LoadedPrograms;
  #mechanism: MechanismName | undefined;
  readonly #asked: MechanismName | undefined;
  readonly #uplinks: () => readonly number[];

  constructor({ root, programs, mechanism, uplinks }: AttachmentsOptions) {
    this.#root = root;
    this.#programs = programs;
    this.#asked = mechanism;
    this.#uplinks = uplinks;
  }

  /**
   * How programs are attached to interfaces: as those are that are attached already, or as was asked for, or as this
   * kernel can. One root has one mechanism: programs of two would run in another order. Throws `SyscallError` without
   * the privileges to find out.
   */
  get mechanism(): MechanismName {
    return (this.#mechanism ??= this.#mechanismInUse() ?? chooseMechanism(this.#asked));
  }

  /** By the pins of uplinks, of which there are few; without such a pin, by any pin. */
  #mechanismInUse(): MechanismName | undefined {
    for (const ifindex of this.#uplinks()) {
      const iface = interfaceName(ifindex);
      if (iface === undefined) continue;
      for (const { name } of programsAt("uplink")) {
        const mechanism = mechanismOf(this.#root.link(name, iface));
        if (mechanism !== undefined) return mechanism.name;
      }
    }
    const [first] = this.#root.links();
    return first === undefined ? undefined : mechanismOf(first.path)?.name;
  }

  /**
   * Attaches a program to an interface, pinned as `progs/dp_PROGRAM_IFACE`. What is attached there already is replaced
   * in one step, so that no packet meets no program; its pin is renamed if the interface was. A pin for an interface
   * that is gone is replaced.
   *
   * Throws `DatapathError` NOT_LOADED when the program is not loaded, CONFLICT when a filter of other software has its
   * place; `SyscallError` ENODEV without such an interface.
   */
  attach(program: HostInterfaceProgram, iface: AttachTarget): AttachResult;
  /** For a program on a container peer: the container's namespace is entered for the call. Throws the same. */
  attach(program: ContainerPeerProgram, iface: AttachTarget, place: ContainerPlace): AttachResult;
  attach(program: InterfaceProgram, iface: AttachTarget, place?: ContainerPlace): AttachResult {
    // Read before entering the container's namespace, because uplinks are in the host's.
    const { mechanism } = this;
    if (place === undefined) {
      this.#followName(program, iface);
      return this.#upsert(program, iface, iface.name, mechanism);
    }
    return withNetns(place.netns, () => this.#upsert(program, iface, place.hostPeerName, mechanism));
  }

  /**
   * Replaces the program of a container peer in one step, without entering the container's namespace. False when that
   * cannot be done: nothing is attached there, or by clsact; see {@link attach}.
   */
  swap(program: ContainerPeerProgram, hostPeerName: string): boolean {
    const path = this.#root.link(program, hostPeerName);
    return mechanismOf(path) === tcx && swapTcx(path, this.#programs.get(program));
  }

  /**
   * Detaches a program from an interface and unpins it. False when it is not pinned there.
   *
   * @param ifaceName for a container peer, the host peer's. With clsact its filter stays on the container peer, where
   *   it does nothing without the server's entries
   */
  detach(program: InterfaceProgram, ifaceName: string): boolean {
    const row = programRow(program);
    const path = this.#root.link(program, ifaceName);
    const mechanism = mechanismOf(path);
    if (mechanism === undefined) clearUp({ row, path, ifaceName });
    else mechanism.detach({ row, path, ifaceName });
    return mechanism !== undefined;
  }

  /**
   * Attaches the programs for the cgroup of the proxy (dp_sockops, dp_getsockopt), pinned as `progs/dp_PROGRAM_cgroup`:
   * the proxies in it, and in cgroups below, learn the original destinations of what they accept, and flows live as
   * long as their sockets. Programs of other software stay. Attached to another cgroup than before, they leave that
   * one.
   *
   * @param cgroup a folder of a cgroup2 mount
   *
   * Throws `DatapathError` FAILED for a folder that is no cgroup, CONFLICT when a program there allows no other.
   */
  attachToCgroup(cgroup: string): AttachResult {
    using undo = new Undo();
    let result: AttachResult = "updated";
    try {
      for (const { name, attachType } of CGROUP_PROGRAMS) {
        const path = this.#root.cgroupLink(name);
        const before = programOnCgroup(path);
        if (before !== undefined) undo.keep(before);
        if (upsertCgroup(this.#programs.get(name), { attachType, cgroup, path }) === "attached") {
          result = "attached";
          undo.add(() => detachCgroup(path));
        } else if (before !== undefined) undo.add(() => upsertCgroup(before, { attachType, cgroup, path }));
      }
      return result;
    } catch (error) {
      throw undo.because(error);
    }
  }

  /** Detaches and unpins what {@link attachToCgroup} attached. False when nothing is pinned. */
  detachFromCgroup(): boolean {
    return CGROUP_PROGRAMS.map(({ name }) => detachCgroup(this.#root.cgroupLink(name))).includes(true);
  }

  /**
   * Attaches dp_guard to netfilter in the calling thread's network namespace, pinned as `progs/dp_guard_ipv4` and
   * `_ipv6`: it drops packets from containers that have not passed dp_snat. A program that is already attached is
   * replaced without a gap.
   *
   * Throws `UnsupportedError` on a kernel that has no such programs (before 6.4): its `reason` says what follows.
   */
  attachToHost(): AttachResult {
    return attachNetfilterPrograms(this.#root);
  }

  /** Detaches and unpins what {@link attachToHost} attached. False when nothing is pinned. */
  detachFromHost(): boolean {
    return detachNetfilterPrograms(this.#root);
  }

  /**
   * Attaches dp_lookup to the socket look-up of the calling thread's network namespace, pinned as
   * `progs/dp_lookup_host`: the proxy's listeners then accept packets only from host peers and loopback. A program
   * that is already attached is replaced in one step.
   */
  attachToSkLookup(): AttachResult {
    return attachSkLookupPrograms(this.#root);
  }

  /** Detaches and unpins what {@link attachToSkLookup} attached. False when nothing is pinned. */
  detachFromSkLookup(): boolean {
    return detachSkLookupPrograms(this.#root);
  }

  /** Every program in the host's network namespace that the program table has, and whether it is attached. */
  onHost(): HostAttachment[] {
    return [...netfilterAttachments(this.#root), ...skLookupAttachments(this.#root)];
  }

  /** Detaches everything, uplinks first. */
  detachAll(): void {
    const attached = this.all();
    for (const { name } of INTERFACE_PROGRAMS) {
      for (const { program, iface } of attached) if (program === name) this.detach(program, iface);
    }
    this.detachFromCgroup();
    this.detachFromHost();
    this.detachFromSkLookup();
  }

  /** Every program on an interface that is pinned under this root, also where the interface is gone. */
  all(): Attachment[] {
    return this.#root.links().flatMap(({ program, iface, path }) => {
      const mechanism = mechanismOf(path);
      if (mechanism === undefined) return [];
      const state = mechanism.state({ row: programRow(program), path, ifaceName: iface });
      return [{ program, iface, ...state, path, mechanism: mechanism.name }];
    });
  }

  /** Every program on the cgroup of the proxy that is pinned under this root, also where the cgroup is gone. */
  onCgroup(): CgroupAttachment[] {
    return CGROUP_PROGRAMS.flatMap(({ name }) => {
      const path = this.#root.cgroupLink(name);
      const state = pinnedCgroup(path);
      return state === undefined ? [] : [{ program: name, ...state, path }];
    });
  }

  /** Whether a program is pinned for an interface of that name. One look at the pin root. Throws nothing. */
  has(program: InterfaceProgram, ifaceName: string): boolean {
    return this.#root.hasLink(program, ifaceName);
  }

  /**
   * The kernel's id of the program on an interface that is pinned under this root; 0 when none is, or it was detached
   * by other software.
   */
  programAt(program: HostInterfaceProgram, iface: AttachTarget): number;
  /** For a program on a container peer: the container's namespace is entered where need be. */
  programAt(program: ContainerPeerProgram, iface: AttachTarget, place: ContainerPlace): number;
  programAt(program: InterfaceProgram, { index, name }: AttachTarget, place?: ContainerPlace): number {
    const row = programRow(program);
    const ifaceName = place?.hostPeerName ?? name;
    const path = this.#root.link(program, ifaceName);
    const mechanism = mechanismOf(path);
    if (mechanism === clsact && place !== undefined) return withNetns(place.netns, () => clsactProgram(row, index));
    const state = mechanism?.state({ row, path, ifaceName });
    return state?.ifindex === index ? (state.programId ?? 0) : 0;
  }

  /** The programs that are loaded and pinned. */
  programs(): LoadedProgram[] {
    return this.#programs.list();
  }

  /**
   * The kernel's id of a program as it is pinned, which is what all its attachments should run. Throws `DatapathError`
   * NOT_LOADED when it is not pinned.
   */
  programId(program: PinnedProgram): number {
    return this.#programs.get(program).id;
  }

  #followName(program: InterfaceProgram, iface: AttachTarget): void {
    // Only for uplinks: interfaces of servers keep their names, and thousands of pins would take long to read.
    if (!programsAt("uplink").some(({ name }) => name === program)) return;
    const row = programRow(program);
    const path = this.#root.link(program, iface.name);
    const pins = this.#root.links().filter((each) => each.program === program);
    const on = (pin: (typeof pins)[number]) =>
      mechanismOf(pin.path)?.state({ row, path: pin.path, ifaceName: pin.iface }).ifindex ?? 0;
    const there = pins.find((pin) => pin.path === path);
    if (there !== undefined && on(there) !== 0) return;
    const before = pins.find((pin) => pin !== there && on(pin) === iface.index);
    if (before !== undefined) {
      mechanismOf(before.path)?.rename({ row, path: before.path, ifaceName: before.iface }, path);
    }
  }

  #upsert(name: InterfaceProgram, iface: AttachTarget, pinName: string, mechanism: MechanismName): AttachResult {
    const path = this.#root.link(name, pinName);
    const place: Place = {
      row: programRow(name),
      iface,
      path,
      pathOf: (other) => this.#root.link(other, pinName),
    };
    const program = this.#programs.get(name);
    if (mechanismOf(path)?.update(place, program) === true) return "updated";
    MECHANISMS[mechanism].attach(place, program);
    return "attached";
  }

  /** Closes the programs. */
  close(): void {
    this.#programs[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const MECHANISMS: Readonly<Record<MechanismName, Mechanism>> = { tcx, clsact };

/** By the kind of the pin. Another process may have used another mechanism than this one would choose. */
function mechanismOf(path: string): Mechanism | undefined {
  const kind = pinnedKind(path);
  if (kind === "link") return tcx;
  return kind === "program" ? clsact : undefined;
}
