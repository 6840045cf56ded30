import { must } from "@dp/test-kit/program.ts";
import type { Internet } from "../../e2e/topology/internet.ts";
import type { NetworkNamespace } from "../../e2e/topology/namespace.ts";

/** A VLAN on the wire that eth0 is at, and the address of the host in it. `wire` is the internet's end. */
export const VLAN = { iface: "eth0.100", wire: "to-host.100", address: "192.0.2.10" } as const;

/** Two more wires that are one, and the address of the host on them. `wire` is the switch they end in. */
export const BOND = { iface: "bond0", wire: "lan2", address: "192.0.2.18", slaves: ["eth1", "eth2"] } as const;

export async function addVlan({ router, host }: Internet): Promise<void> {
  await router.ip("link add link to-host name to-host.100 type vlan id 100", "link set to-host.100 up");
  await router.ip("address add 192.0.2.9/29 dev to-host.100");
  await host.ip("link add link eth0 name eth0.100 type vlan id 100", "link set eth0.100 up");
  // Asked for a way out of it, the kernel has one; asked for any, it has another.
  await host.ip(
    `address add ${VLAN.address}/29 dev eth0.100`,
    "route add default via 192.0.2.9 dev eth0.100 metric 200",
  );
}

export async function addBond({ router, host }: Internet): Promise<void> {
  await router.ip("link add lan2 type bridge", "link set lan2 up", "address add 192.0.2.17/29 dev lan2");
  await host.ip("link add bond0 type bond mode active-backup miimon 100");
  for (const slave of BOND.slaves) {
    await router.ip(`link add to-${slave} type veth peer name ${slave} netns ${host.name}`);
    await router.ip(`link set to-${slave} master lan2`, `link set to-${slave} up`);
    await host.ip(`link set ${slave} master bond0`);
  }
  await host.ip("link set bond0 up", `address add ${BOND.address}/29 dev bond0`);
  await host.ip("route add default via 192.0.2.17 dev bond0 metric 300");
}

/** Leaves of them nothing behind. */
export async function removeUplinks({ router, host }: Internet): Promise<void> {
  await host.ip(`link delete ${VLAN.iface}`, `link delete ${BOND.iface}`);
  await router.ip(`link delete ${VLAN.wire}`, ...BOND.slaves.map((slave) => `link delete to-${slave}`));
  await router.ip(`link delete ${BOND.wire}`);
}

/** The wire that carries a bond's packets now. */
export async function activeSlave(host: NetworkNamespace): Promise<string> {
  const [bond] = JSON.parse(await must(["ip", "-n", host.name, "-d", "-j", "link", "show", BOND.iface])) as {
    linkinfo: { info_data: { active_slave?: string } };
  }[];
  return bond?.linkinfo.info_data.active_slave ?? "none";
}

/** Bytes that have arrived at an interface: at a VLAN's, those that had its tag on the wire. */
export async function arrivedAt(namespace: NetworkNamespace, ifname: string): Promise<number> {
  const [link] = JSON.parse(await must(["ip", "-n", namespace.name, "-j", "-s", "link", "show", ifname])) as {
    stats64: { rx: { bytes: number } };
  }[];
  return link?.stats64.rx.bytes ?? 0;
}
