/** The programs of a server that is there already, and the entries they need. */
import type { Objects, ServerRecord } from "@dp/core";
import type { Fd } from "@dp/sys";
import { openServerNetns } from "../container/processes.ts";
import { label } from "../server/server.ts";
import { messageOf } from "../transaction.ts";
import { attach } from "./attach.ts";
import type { LoadContext } from "./context.ts";
import type { LoadOptions } from "./options.ts";

/** False when the container keeps the program it has: it could not be entered. */
export function attachToServer(context: LoadContext, record: ServerRecord): boolean {
  const { iface } = record.veth.hostPeer;
  addHostPeer(context, record);
  attach(context, "arp", iface);
  attach(context, "snat", iface);
  attach(context, "tproxy_host", iface);
  const reached = attachToContainer(context, record);
  addVethPairEntry(context, record);
  return reached;
}

/**
 * As {@link attach}, on the container's end. Where that means to enter the namespace (to attach anew, or to replace a
 * filter) and that cannot be, the container keeps the program it has.
 */
function attachToContainer({ transaction, objects, previous, options }: LoadContext, record: ServerRecord): boolean {
  const { hostPeer, podPeer } = record.veth;
  const { name } = hostPeer.iface;
  const attachIn = (netns: Fd, those: Objects) => those.attachTproxyCtrEgress(podPeer, { netns, hostPeerName: name });
  const attached = transaction.step(
    `attach tproxy_container for ${name}`,
    () => {
      if (objects.swapTproxyCtrEgress(name)) return "updated";
      using netns = enterable(record, options);
      return netns === undefined ? undefined : attachIn(netns, objects);
    },
    (done) => {
      if (done === "updated" && previous?.swapTproxyCtrEgress(name) === true) return;
      using netns = done === "updated" ? enterable(record, options) : undefined;
      if (netns !== undefined && previous !== undefined) attachIn(netns, previous);
      else if (done !== undefined) objects.detach("tproxy_container", hostPeer.iface);
    },
  );
  return attached !== undefined;
}

function enterable(record: ServerRecord, options: LoadOptions): Fd | undefined {
  try {
    return openServerNetns(record);
  } catch (error) {
    options.warn?.(`the program in the container of ${label(record)} stays as it was: ${messageOf(error)}`);
    return undefined;
  }
}

/** For a server that was added by a build that trusted interface indexes. */
function addHostPeer({ transaction, objects }: LoadContext, { veth: { hostPeer, podPeer } }: ServerRecord): void {
  if (objects.getHostPeer(podPeer.addr) !== undefined) return;
  transaction.step(
    `host peer ${hostPeer.iface.name}`,
    () => objects.addHostPeer(podPeer.addr, hostPeer.iface.index),
    () => objects.delHostPeer(podPeer.addr),
  );
}

/** For a server that was added by a build that redirected nothing. */
function addVethPairEntry({ transaction, objects }: LoadContext, record: ServerRecord): void {
  const { veth, gamePort, netnsCookie } = record;
  const target = objects.getSnatTarget(veth.hostPeer.iface.index);
  if (target === undefined || objects.getVethPairEntry(veth.podPeer.addr) !== undefined) return;
  transaction.step(
    `veth pair entry of ${veth.hostPeer.iface.name}`,
    () => objects.addVethPairEntry(veth, { gamePort, group: target.group, netnsCookie }),
    () => objects.delVethPairEntry(veth),
  );
}
