import { Errno, Fd } from "@dp/sys";
import { beforeChange } from "@dp/sys/fault";
import { libbpf } from "../ffi/libbpf.ts";
import { NativeStruct, struct } from "../ffi/native-struct.ts";
import { BPF_TCX_INGRESS, type CgroupAttachName, cgroupAttachName, type Direction } from "./attach-type.ts";
import { callError, check } from "./errors.ts";
import { readInfo, textField } from "./info.ts";
import { openPin, pin, requirePin } from "./pin.ts";
import type { Program } from "./program.ts";
import { Resource } from "./resource.ts";

/** struct bpf_link_info (linux/bpf.h) with the member of its union that fits the kind. */
const LINK_INFO_HEAD = { type: "u32", id: "u32", prog_id: "u32" } as const;
export const TCX_LINK_INFO = struct("bpf_link_info", {
  ...LINK_INFO_HEAD,
  _pad: "u32",
  ifindex: "u32",
  attach_type: "u32",
});
export const CGROUP_LINK_INFO = struct("bpf_link_info", { ...LINK_INFO_HEAD, cgroup_id: "u64", attach_type: "u32" });
const NETNS_LINK_INFO = struct("bpf_link_info", {
  ...LINK_INFO_HEAD,
  _pad: "u32",
  netns_ino: "u32",
  attach_type: "u32",
});
export const ITER_LINK_INFO = struct("bpf_link_info", {
  ...LINK_INFO_HEAD,
  target_name: "pointer",
  target_name_len: "u32",
});

const NETFILTER_LINK_INFO = struct("bpf_link_info", {
  ...LINK_INFO_HEAD,
  _pad: "u32",
  pf: "u32",
  hooknum: "u32",
  priority: "i32",
  flags: "u32",
});

/** enum bpf_link_type. */
const LINK_CGROUP = 3;
const LINK_ITER = 4;
const LINK_NETNS = 5;
const LINK_XDP = 6;
const LINK_NETFILTER = 10;
const LINK_TCX = 11;

interface LinkIdentity {
  /** The kernel's number of this link, unique while it exists. */
  id: number;
  /** The program it runs. */
  programId: number;
}

/** On a TC hook. `ifindex` is 0 once the interface is gone or the link was detached. */
export interface TcxLinkInfo extends LinkIdentity {
  kind: "tcx";
  ifindex: number;
  direction: Direction;
}

/** On a cgroup. `cgroupId` is its inode number, 0 once it is gone or the link was detached. */
export interface CgroupLinkInfo extends LinkIdentity {
  kind: "cgroup";
  cgroupId: bigint;
  /** undefined for a hook not known here. */
  attachType: CgroupAttachName | undefined;
}

/** On an interface's XDP hook. `ifindex` is 0 once the interface is gone or the link was detached. */
export interface XdpLinkInfo extends LinkIdentity {
  kind: "xdp";
  ifindex: number;
}

/** On a network namespace. `netnsInode` is 0 once it is gone or the link was detached. */
export interface NetnsLinkInfo extends LinkIdentity {
  kind: "netns";
  netnsInode: number;
}

/** An iterator over kernel objects: `target` says which ("task", "tcp", "bpf_map_elem"). */
export interface IterLinkInfo extends LinkIdentity {
  kind: "iter";
  target: string;
}

/** On a hook of netfilter. The kernel does not say whether it was detached. */
interface NetfilterLinkInfo extends LinkIdentity {
  kind: "netfilter";
  priority: number;
}

/** A link of a kind this library does not attach. */
export interface OtherLinkInfo extends LinkIdentity {
  kind: "other";
  /** enum bpf_link_type. */
  type: number;
}

/** The kernel's description of a link, by its kind. */
export type LinkInfo =
  | TcxLinkInfo
  | XdpLinkInfo
  | CgroupLinkInfo
  | NetnsLinkInfo
  | IterLinkInfo
  | NetfilterLinkInfo
  | OtherLinkInfo;

/**
 * A BPF link: a program attached to something, for as long as the link is open somewhere or pinned.
 *
 * Made by {@link attachTcx}, {@link attachXdp}, {@link attachCgroup} and {@link attachIter}.
 * What the kernel refuses is a `SyscallError`; a link that was closed throws when it is used.
 */
export class Link extends Resource {
  /** Takes ownership of `fd`. Internal: use an attach function, fromPin or fromId. */
  constructor(fd: Fd) {
    super(fd, false);
  }

  /** Opens a pinned link. Throws `SyscallError` ENOENT when nothing is pinned there. */
  static fromPin(path: string): Link {
    return new Link(requirePin(path, "link"));
  }

  /** Opens a pinned link; undefined when nothing is pinned there. */
  static findPin(path: string): Link | undefined {
    const fd = openPin(path, "link");
    return fd === undefined ? undefined : new Link(fd);
  }

  /** Opens a link by its id. Throws `SyscallError` ENOENT when there is none. */
  static fromId(id: number): Link {
    return new Link(new Fd(check(libbpf.linkFdById(id), { op: `open link ${id}`, call: "bpf_link_get_fd_by_id" })));
  }

  /** What the kernel knows of it (BPF_OBJ_GET_INFO_BY_FD). */
  info(): LinkInfo {
    const op = "read a link's info";
    using head = readInfo(this.fd, new NativeStruct(TCX_LINK_INFO), op);
    const type = head.get("type");
    const identity = { id: head.get("id"), programId: head.get("prog_id") };
    switch (type) {
      case LINK_TCX: {
        const direction = head.get("attach_type") === BPF_TCX_INGRESS ? "ingress" : "egress";
        return { kind: "tcx", ...identity, ifindex: head.get("ifindex"), direction };
      }
      case LINK_XDP:
        return { kind: "xdp", ...identity, ifindex: head.get("ifindex") };
      case LINK_CGROUP: {
        using info = readInfo(this.fd, new NativeStruct(CGROUP_LINK_INFO), op);
        const attachType = cgroupAttachName(info.get("attach_type"));
        return { kind: "cgroup", ...identity, cgroupId: info.get("cgroup_id"), attachType };
      }
      case LINK_NETNS: {
        using info = readInfo(this.fd, new NativeStruct(NETNS_LINK_INFO), op);
        return { kind: "netns", ...identity, netnsInode: info.get("netns_ino") };
      }
      case LINK_ITER: {
        const name = new Uint8Array(64);
        using info = new NativeStruct(ITER_LINK_INFO, { target_name: name, target_name_len: name.byteLength });
        readInfo(this.fd, info, op);
        return { kind: "iter", ...identity, target: textField(name) };
      }
      case LINK_NETFILTER: {
        using info = readInfo(this.fd, new NativeStruct(NETFILTER_LINK_INFO), op);
        return { kind: "netfilter", ...identity, priority: info.get("priority") };
      }
      default:
        return { kind: "other", ...identity, type };
    }
  }

  /** The kernel's number of this link. Throws `SyscallError`. */
  get id(): number {
    return this.info().id;
  }

  /**
   * Whether the interface, cgroup or network namespace that it was attached to still exists. A link outlives it, and
   * then does nothing: close and unpin it, and attach again.
   */
  get attached(): boolean {
    const info = this.info();
    if (info.kind === "tcx" || info.kind === "xdp") return info.ifindex !== 0;
    if (info.kind === "netns") return info.netnsInode !== 0;
    return info.kind !== "cgroup" || info.cgroupId !== 0n;
  }

  /**
   * Replaces its program in one step: each packet meets the old or the new one, and the place in the order stays.
   * Throws `SyscallError`: ENOLINK when what it was attached to is gone, EEXIST when another link runs that program
   * there.
   */
  update(program: Program): void {
    beforeChange("update a link to", program.name);
    const result = libbpf.linkUpdate(this.fd, program.fd, null);
    if (result >= 0) return;
    const op = `update a link to ${program.name}`;
    const text = UPDATE_FAILURES[-result];
    throw callError(result, { op, call: "bpf_link_update", ...(text === undefined ? {} : { text }) });
  }

  /** Detaches it now, also when another process holds it or it is pinned. Does nothing when it is detached already. */
  detach(): void {
    beforeChange("detach a link");
    const result = libbpf.linkDetach(this.fd);
    if (result !== -Errno.ENOLINK) check(result, { op: "detach a link", call: "bpf_link_detach" });
  }

  /** Pins it at `path` on a bpffs: it then stays attached without this process. `SyscallError` EEXIST if taken. */
  pin(path: string): void {
    pin(this.fd, path);
  }
}

const UPDATE_FAILURES: Readonly<Record<number, string>> = {
  [Errno.ENOLINK]: "what it was attached to is gone",
  [Errno.EEXIST]: "the program is attached there already, by another link",
};
