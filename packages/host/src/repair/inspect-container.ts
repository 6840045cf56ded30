import type { ServerRecord } from "@dp/core";
import { Netlink } from "@dp/netlink";
import type { Fd } from "@dp/sys";
import { openServerNetns } from "../container/processes.ts";
import { during } from "../during.ts";
import { messageOf } from "../transaction.ts";
import type { Finding } from "./finding.ts";
import { mend, type Problem, serverProblem } from "./problem.ts";
import type { Scene } from "./scene.ts";

/** Whether it takes a look into the container to see this. */
export function isInside({ code }: Finding): boolean {
  return /^(container|namespace)-/.test(code);
}

/** Whether the container's end is as it was made, inside its namespace. */
export function inspectContainer(scene: Scene, record: ServerRecord): Problem[] {
  let netns: Fd;
  try {
    netns = openServerNetns(record);
  } catch (error) {
    const what = `its network namespace cannot be entered to look at ${record.veth.podPeer.iface.name}: ${messageOf(error)}`;
    const fix = `give it a name again, or run a process in it: it was ${record.netns}`;
    return [serverProblem(record, { code: "namespace-unreachable", severity: "warning", what }, fix)];
  }
  using _netns = netns;
  using inside = Netlink.open({ netns });
  const { hostPeer, podPeer } = record.veth;
  const { index, name, mac } = podPeer.iface;
  const link = inside.link(index);
  if (link === undefined || link.kind !== "veth" || link.peerIndex !== hostPeer.iface.index) {
    const what = `its interface ${name} is not in its network namespace any more: somebody moved it to another`;
    const fix = `dp del-server --name ${record.name}, then add it again`;
    return [serverProblem(record, { code: "container-peer-moved", severity: "error", what }, fix)];
  }

  const found: Problem[] = [];
  const report = (code: string, what: string, run: (inside: Netlink, netns: Fd) => void) =>
    found.push(
      serverProblem(
        record,
        { code, severity: "error", what },
        mend(() => enter(record, run)),
      ),
    );
  const place = { netns, hostPeerName: hostPeer.iface.name };
  const { objects } = scene;
  const program = objects.containerProgram(podPeer, place);
  if (program !== objects.programId("tproxy_container")) {
    const detached = program === 0;
    const what = detached
      ? `dp_tproxy_container is not on ${name} in the container: somebody took it off`
      : `${name} in the container runs another dp_tproxy_container than the one that is loaded`;
    report(detached ? "program-detached" : "program-outdated", what, (_, there) =>
      objects.attachTproxyCtrEgress(podPeer, { netns: there, hostPeerName: hostPeer.iface.name }),
    );
  }
  if (link.mac !== mac) {
    const what = `${name} in the container has the MAC ${link.mac} instead of ${mac}: what it sends is dropped`;
    report("container-peer-mac", what, (within) => within.setLink(index, { mac }));
  }
  if (!inside.addresses({ ifindex: index, family: "inet" }).some(({ address }) => address === podPeer.addr)) {
    report("container-address-missing", `${name} in the container lacks its address ${podPeer.addr}`, (within) =>
      within.addAddress({ ifindex: index, address: podPeer.addr, prefix: 32 }),
    );
  }
  if (!link.up) {
    report("container-peer-down", `${name} in the container is down`, (within) => within.setLink(index, { up: true }));
  }
  const routes = inside.routes({ ifindex: index, family: "inet" });
  const gateway = `${hostPeer.addr}/32`;
  const leads = routes.some(({ destination, gateway: via }) => destination === "default" && via === hostPeer.addr);
  if (!leads || !routes.some(({ destination }) => destination === gateway)) {
    report("container-route-missing", "the container has no default route by way of the host", (within) => {
      within.addRoute({ destination: gateway, ifindex: index, scope: "link", mode: "replace" });
      within.addRoute({
        destination: "default",
        gateway: hostPeer.addr,
        ifindex: index,
        onlink: true,
        mode: "replace",
      });
    });
  }
  return found;
}

function enter(record: ServerRecord, run: (inside: Netlink, netns: Fd) => void): void {
  using netns = during("mend the container's interface", () => openServerNetns(record));
  using inside = Netlink.open({ netns });
  run(inside, netns);
}
