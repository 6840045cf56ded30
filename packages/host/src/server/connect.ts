import type { Objects } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import { raiseFreeFrom } from "../allocate/first-free.ts";
import type { HostOptions } from "../host-options.ts";
import { refreshHostAddresses } from "../interfaces/host-addresses.ts";
import { toInterface } from "../interfaces/uplink.ts";
import {
  createPair,
  prepareHostPeer,
  raiseContainerPeer,
  raiseHostPeer,
  raiseLoopback,
} from "../interfaces/veth-pair.ts";
import { releasePort, reservePort } from "../kernel/reserved-ports.ts";
import { messageOf, Transaction } from "../transaction.ts";
import type { ServerPlan } from "./plan.ts";
import { type Server, toServer } from "./server.ts";

interface Means {
  objects: Objects;
  host: Netlink;
  /** In the container's network namespace. */
  inside: Netlink;
  options: HostOptions;
  op: string;
}

/**
 * The steps of adding, in an order that at every instant lets nothing through that should not: the interfaces go up
 * only when the programs that guard them are there and know their container.
 */
export function connectServer(plan: ServerPlan, { objects, host, inside, options, op }: Means): Server {
  const { veth } = plan;
  const { hostPort } = plan.record;
  const { records } = objects;
  const server = Transaction.run(op, options.onStep, (transaction) => {
    let record = plan.record;
    // With something left, the note and the record stay: the next change tries again.
    transaction.step(
      "note the change",
      () => records.beginChange(veth.containerAddress),
      (_, clean) => clean && records.endChange(veth.containerAddress),
    );
    transaction.step(
      "record pending",
      () => objects.addNetData(record, "create"),
      (_, clean) => clean && objects.delNetData(veth.containerAddress),
    );
    if (record.portReserved) {
      transaction.step(
        "reserve port",
        () => reservePort(hostPort),
        () => releasePort(hostPort),
      );
    }
    const pair = transaction.step(
      "veth pair",
      () => createPair(host, inside, veth),
      ({ hostPeer }) => host.deleteLink(hostPeer.index),
    );
    const hostPeer = toInterface(pair.hostPeer);
    const containerPeer = toInterface(pair.containerPeer);
    record = {
      ...record,
      veth: {
        hostPeer: { iface: hostPeer, addr: veth.hostAddress },
        podPeer: { iface: containerPeer, addr: veth.containerAddress },
      },
    };
    // Noted at once: whoever finds the record pending must know which interface is its own.
    transaction.step("record interfaces", () => objects.addNetData(record, "replace"));

    // From then on nothing is sent to another interface, whoever gets this index one day.
    transaction.step(
      "host peer",
      () => objects.addHostPeer(veth.containerAddress, hostPeer.index),
      () => objects.delHostPeer(veth.containerAddress),
    );

    const place = { netns: veth.netns, hostPeerName: hostPeer.name };
    transaction.step(
      "attach tproxy_container",
      () => objects.attachTproxyCtrEgress(containerPeer, place),
      () => objects.detach("tproxy_container", hostPeer),
    );
    transaction.step(
      "attach tproxy_host",
      () => objects.attachTproxyHostEgress(hostPeer),
      () => objects.detach("tproxy_host", hostPeer),
    );
    transaction.step(
      "attach arp",
      () => objects.attachAndPinArp(hostPeer),
      () => objects.detach("arp", hostPeer),
    );
    transaction.step(
      "attach snat",
      () => objects.attachAndPinSnat(hostPeer),
      () => objects.detach("snat", hostPeer),
    );
    transaction.step(
      "counters",
      () => objects.addCounters(hostPeer.index),
      () => objects.delCounters(hostPeer.index),
    );
    transaction.step(
      "snat target",
      () =>
        objects.addSnatTarget(hostPeer.index, {
          containerAddress: veth.containerAddress,
          hostPeerAddress: veth.hostAddress,
          publicAddress: record.publicAddress,
          publicPort: hostPort,
          gamePort: record.gamePort,
          uplink: record.uplink,
          group: plan.groupId,
          containerMac: veth.containerMac,
        }),
      () => objects.delSnatTarget(hostPeer.index),
    );
    const { veth: peers, gamePort, netnsCookie } = record;
    const pairOptions = { gamePort, group: plan.groupId, netnsCookie };
    transaction.step(
      "veth pair entry",
      () => objects.addVethPairEntry(peers, pairOptions),
      () => {
        objects.delVethPairEntry(peers);
        objects.delFlows(veth.containerAddress);
      },
    );

    transaction.step("host peer address", () => prepareHostPeer(host, pair.hostPeer, veth));
    transaction.step(
      "container loopback",
      () => raiseLoopback(inside),
      (loopback) => loopback !== undefined && inside.setLink(loopback.index, { up: false }),
    );
    transaction.step("container peer", () => raiseContainerPeer(inside, pair.containerPeer, veth));
    const { hostAddresses } = plan;
    if (hostAddresses !== undefined) {
      transaction.step("host addresses", () => refreshHostAddresses(objects, hostAddresses));
    }
    transaction.step(
      "host peer up",
      () => raiseHostPeer(host, pair.hostPeer, veth),
      // Down again before its guards go.
      () => host.setLink(hostPeer.index, { up: false }),
    );
    const pending = record;
    record = { ...record, state: "active" };
    transaction.step(
      "record active",
      () => objects.addNetData(record, "replace"),
      () => objects.addNetData(pending, "replace"),
    );
    const endpoint = { address: record.publicAddress, port: hostPort };
    transaction.step(
      "dnat entry",
      () =>
        objects.addDnatTarget(endpoint, {
          hostPeer: hostPeer.index,
          containerAddress: veth.containerAddress,
          gamePort: record.gamePort,
          containerMac: veth.containerMac,
        }),
      () => objects.delDnatTarget(endpoint),
    );
    transaction.step("end the change", () => records.endChange(veth.containerAddress));
    return toServer(record, pair.hostPeer);
  });
  try {
    raiseFreeFrom(objects, plan.freeFrom);
  } catch (error) {
    // The server is there, and the next search takes longer.
    options.warn?.(messageOf(error));
  }
  return server;
}
