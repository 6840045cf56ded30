/** Ending the host's own connections to an address. */
import type { Objects } from "@dp/core";
import { SockDiag } from "@dp/netlink";
import { UnsupportedError } from "@dp/sys";
import { requireSockDiag } from "./sock-destroyer.ts";

/** Whose sockets. */
export interface DestroySocketsOptions {
  /** The address that the sockets are connected to. */
  readonly address: string;
}

/**
 * Destroys the TCP and connected UDP sockets of the host (the calling thread's network namespace) that are connected to
 * an address. Returns how many; undefined on a kernel that can destroy them neither by BPF nor by sock_diag.
 */
export function destroySockets(objects: Objects, { address }: DestroySocketsOptions): number | undefined {
  try {
    return objects.destroyTcpSocks({ remote: address }) + objects.destroyUdpSocks({ remote: address });
  } catch (error) {
    // Before Linux 6.5.
    if (!(error instanceof UnsupportedError)) throw error;
    return destroyHostSocketsBySockDiag(address);
  }
}

/** By NETLINK_SOCK_DIAG. undefined on a kernel without it: the proxy then closes its own within a second. */
function destroyHostSocketsBySockDiag(address: string): number | undefined {
  try {
    requireSockDiag();
  } catch (error) {
    if (error instanceof UnsupportedError) return undefined;
    throw error;
  }
  using diag = SockDiag.open();
  return diag.destroyConnected("tcp", address) + diag.destroyConnected("udp", address);
}
