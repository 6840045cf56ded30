import type { Objects } from "@dp/core";
import { Netlink } from "@dp/netlink";
import { DatapathError } from "@dp/sys";

/** How many servers are asked: an interface's index may be another's in another namespace, but not all of them. */
const WITNESSES = 8;

/**
 * Refuses to work from another network namespace than what is loaded is for, a container's that somebody has entered:
 * all servers would look dead from there, and be collected. The kernel takes an interface out of these maps when it
 * goes, or moves to another namespace. So one that is in there, and not in this namespace, is in the other.
 *
 * @throws DatapathError `FAILED`
 */
export function requireOwnNamespace(objects: Objects, pinRoot: string): void {
  using netlink = Netlink.open();
  for (const { index, isThere } of witnesses(objects)) {
    // In this order: what goes away meanwhile is no witness any more.
    if (netlink.link(index) !== undefined || !isThere()) continue;
    const reason = `it is for another network namespace than this: interface ${index}, which it uses, is not here`;
    throw new DatapathError("FAILED", `open ${pinRoot}`, reason, {
      hint: "if it is for the host's own: nsenter --net=/proc/1/ns/net dp ...",
    });
  }
}

function* witnesses(objects: Objects): Generator<{ index: number; isThere: () => boolean }> {
  for (const index of objects.uplinks()) yield { index, isThere: () => objects.uplinks().includes(index) };
  for (const { containerAddress, hostPeer } of objects.hostPeers(WITNESSES)) {
    yield { index: hostPeer, isThere: () => objects.getHostPeer(containerAddress) === hostPeer };
  }
}
