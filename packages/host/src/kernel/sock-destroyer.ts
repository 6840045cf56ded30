/** Ending the sockets of a container: by bpf_sock_destroy, or where the kernel does not have it, by sock_diag. */
import type { Objects } from "@dp/core";
import { NetlinkError, SockDiag, type SocketProtocol } from "@dp/netlink";
import { type Fd, SyscallError, UnsupportedError } from "@dp/sys";

/** Destroys the connected sockets of a network namespace, and returns how many. */
export type SockDestroyer = (protocol: SocketProtocol, netns: Fd) => number;

/** A connect(2) that was under way may add one more socket; after more rounds than this, new ones are being made. */
const MAX_ROUNDS = 16;

/** The way that this kernel has. Throws `UnsupportedError` when it has none: nothing was destroyed then. */
export function sockDestroyer(objects: Objects): SockDestroyer {
  try {
    objects.requireSockDestroy();
    return (protocol, netns) =>
      protocol === "tcp" ? objects.destroyTcpSocks({ netns }) : objects.destroyUdpSocks({ netns });
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    requireSockDiag(error.op);
    return destroyBySockDiag;
  }
}

/** By NETLINK_SOCK_DIAG. */
function destroyBySockDiag(protocol: SocketProtocol, netns: Fd): number {
  using diag = SockDiag.open({ netns });
  let destroyed = 0;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const now = diag.destroyConnected(protocol);
    destroyed += now;
    if (now === 0) return destroyed;
  }
  return destroyed;
}

/** Whether the kernel lists sockets, of both protocols: one without it cannot destroy them. */
export function requireSockDiag(op = "look for sock_diag"): void {
  try {
    using diag = SockDiag.open();
    for (const protocol of ["tcp", "udp"] as const) diag.count(protocol);
  } catch (error) {
    const missing = error instanceof SyscallError || error instanceof NetlinkError;
    if (!missing) throw error;
    throw new UnsupportedError(
      "bpf_sock_destroy and sock_diag",
      "load the modules tcp_diag and udp_diag, or boot Linux 6.5",
      {
        op,
        reason: "this kernel can destroy sockets neither by BPF nor by sock_diag: servers cannot be frozen",
        cause: error,
      },
    );
  }
}
