import type { ServerRecord } from "@dp/core";
import { type Link, type Netlink, NetlinkError } from "@dp/netlink";
import { Errno } from "@dp/sys";
import { outdatedMtu, setMtu } from "../interfaces/server-mtu.ts";
import { reservePort } from "../kernel/reserved-ports.ts";
import { presentHostPeer } from "../server/present.ts";
import { removeServer } from "../server/remove.ts";
import { inspectContainer } from "./inspect-container.ts";
import { inspectEntries } from "./inspect-entries.ts";
import { inspectPublicAddress } from "./inspect-public-address.ts";
import { collect, mend, type Problem, serverProblem } from "./problem.ts";
import type { Scene } from "./scene.ts";

/** What is wrong with the servers there are records of. */
export function inspectServers(scene: Scene): Problem[] {
  return scene.records.flatMap((record) => inspectServer(scene, record));
}

function inspectServer(scene: Scene, record: ServerRecord): Problem[] {
  const { objects, netlink, options } = scene;
  const removal = collect(() => removeServer(objects, netlink, record, { ...options, onStep: undefined }), record);
  if (record.state === "pending") {
    const what = "it was left half added or half removed, by a command that was killed";
    return [serverProblem(record, { code: "server-pending", severity: "error", what }, removal)];
  }
  const link = scene.link(record.veth.hostPeer.iface.index);
  const hostPeer = presentHostPeer(objects, record, link);
  if (hostPeer === undefined) return [serverProblem(record, absence(scene, record, link), removal)];
  // The programs that check packets come first, the DNAT entry that lets players in last.
  return [
    ...inspectPrograms(scene, record),
    ...inspectHostPeer(scene, record, hostPeer),
    ...(options.inside === false ? [] : inspectContainer(scene, record)),
    ...inspectPort(scene, record),
    ...inspectPublicAddress(scene, record),
    ...inspectMtu(scene, record, hostPeer),
    ...inspectEntries(scene, record),
  ];
}

/** Why a server without its host peer is without it. */
function absence(scene: Scene, record: ServerRecord, other: Link | undefined) {
  const { name, index } = record.veth.hostPeer.iface;
  if (other !== undefined) {
    const what = `its interface ${name} is gone, and ${other.name} has its index ${index} now`;
    return { code: "host-peer-replaced", severity: "error", what } as const;
  }
  const namesake = scene.link(name);
  if (namesake !== undefined) {
    const what = `its interface ${name} is gone, and another one of that name is there`;
    return { code: "host-peer-replaced", severity: "error", what } as const;
  }
  const what = `its interface ${name} is gone: its container ended, or somebody deleted it`;
  return { code: "host-peer-gone", severity: "error", what } as const;
}

const HOST_PEER_PROGRAMS = { arp: "attachAndPinArp", snat: "attachAndPinSnat", tproxy_host: "attachTproxyHostEgress" };

function inspectPrograms(scene: Scene, record: ServerRecord): Problem[] {
  const { objects } = scene;
  const { iface } = record.veth.hostPeer;
  return (["arp", "snat", "tproxy_host"] as const).flatMap((program) => {
    const attached = scene.attachment(program, iface.name);
    const right = attached?.ifindex === iface.index && attached.programId === objects.programId(program);
    if (right) return [];
    const cure = mend(() => objects[HOST_PEER_PROGRAMS[program] as "attachAndPinArp"](iface));
    if (attached?.ifindex === iface.index && attached.programId !== 0) {
      const what = `${iface.name} runs another dp_${program} than the one that is loaded`;
      return serverProblem(record, { code: "program-outdated", severity: "error", what }, cure);
    }
    const what = `dp_${program} is not on ${iface.name}: somebody took it off`;
    return serverProblem(record, { code: "program-detached", severity: "error", what }, cure);
  });
}

function inspectHostPeer(scene: Scene, record: ServerRecord, link: Link): Problem[] {
  const { netlink } = scene;
  const { hostPeer, podPeer } = record.veth;
  const ifindex = link.index;
  const found: Problem[] = [];
  const report = (code: string, what: string, run: () => void) =>
    found.push(serverProblem(record, { code, severity: "error", what }, mend(run)));

  const { name, mac } = hostPeer.iface;
  if (link.name !== name) {
    report("host-peer-renamed", `its interface ${name} is called ${link.name} now`, () => rename(netlink, link, name));
  }
  if (link.mac !== mac) {
    const what = `${link.name} has the MAC ${link.mac} instead of ${mac}: containers send to another`;
    report("host-peer-mac", what, () => netlink.setLink(ifindex, { mac }));
  }
  if (!scene.addressesOf(ifindex).some(({ address }) => address === hostPeer.addr)) {
    report("host-peer-address-missing", `${link.name} lacks the gateway's address ${hostPeer.addr}`, () =>
      netlink.addAddress({ ifindex, address: hostPeer.addr, prefix: 32, scope: "link" }),
    );
  }
  if (!link.up) {
    report("host-peer-down", `${link.name} is down`, () => netlink.setLink(ifindex, { up: true }));
  }
  const destination = `${podPeer.addr}/32`;
  const route = scene.routesOf(ifindex).find((each) => each.destination === destination);
  if (route === undefined || route.gateway !== undefined || route.source !== hostPeer.addr) {
    report("route-missing", `the host has no route to the container's address ${podPeer.addr}`, () =>
      netlink.addRoute({ destination, ifindex, scope: "link", source: hostPeer.addr, mode: "replace" }),
    );
  }
  const neighbour = scene.neighboursOf(ifindex).find(({ address }) => address === podPeer.addr);
  if (neighbour?.mac !== podPeer.iface.mac || neighbour.state !== "permanent") {
    report("neighbour-missing", `the host does not know the container's MAC ${podPeer.iface.mac} for good`, () =>
      netlink.setNeighbour({ ifindex, address: podPeer.addr, mac: podPeer.iface.mac }),
    );
  }
  return found;
}

function inspectMtu(scene: Scene, record: ServerRecord, hostPeer: Link): Problem[] {
  const { netlink, options } = scene;
  const uplink = scene.uplinks.find(({ index }) => index === record.uplink);
  const outdated = outdatedMtu(record, uplink, hostPeer);
  if (uplink === undefined || outdated === undefined) return [];
  const { was, is } = outdated;
  const what = `its interfaces have an MTU of ${was}, and its uplink ${uplink.name} has ${is}`;
  const cure = mend(() => setMtu(netlink, record, is, options));
  return [serverProblem(record, { code: "mtu-outdated", severity: "warning", what }, cure)];
}

/** Kernels before 6.2 rename an interface that is down only. What goes with that is mended after. */
function rename(netlink: Netlink, { index }: Link, name: string): void {
  try {
    netlink.setLink(index, { name });
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.errno !== Errno.EBUSY) throw error;
    netlink.setLink(index, { up: false });
    netlink.setLink(index, { name });
  }
}

function inspectPort(scene: Scene, record: ServerRecord): Problem[] {
  const { hostPort } = record;
  if (scene.reserved.has(hostPort)) return [];
  const what = `its port ${hostPort} is not in net.ipv4.ip_local_reserved_ports: the host could use it itself some day`;
  const cure = mend(() => {
    // First: whoever takes the server out must know that it is to be released.
    if (!record.portReserved) scene.objects.addNetData({ ...record, portReserved: true }, "replace");
    reservePort(hostPort);
  });
  return [serverProblem(record, { code: "port-not-reserved", severity: "warning", what }, cure)];
}
