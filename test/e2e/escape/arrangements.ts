/** What a container does to its own interfaces, addresses, routes and programs. */
import { attachClsact, attachTcx, BpfObject, Link, queryTcx } from "@dp/core/libbpf";
import { openNetns, withNetns } from "@dp/sys";
import { must } from "@dp/test-kit/program.ts";
import { Injector } from "../raw/packet-socket.ts";
import { NetworkNamespace } from "../topology/namespace.ts";
import type { Arrangement } from "./arrangement.ts";
import type { Outcome } from "./attempt.ts";
import { ping } from "./frame.ts";
import { compile } from "./programs/compile.ts";
import type { World } from "./world.ts";

/** Runs commands inside the container, in order. */
async function run(world: World, ...commands: string[]): Promise<void> {
  for (const command of commands) await must(world.namespace.inside(command.split(" ")));
}

/** Routes go when the interface goes down, or away. */
async function restore(world: World): Promise<void> {
  const { self, gateway, outer } = world.ground;
  await run(
    world,
    `ip link set eth0 address ${outer.src}`,
    `ip address replace ${self}/32 dev eth0`,
    "ip link set eth0 up",
    `ip route replace ${gateway}/32 dev eth0 scope link`,
    `ip route replace default via ${gateway} dev eth0 onlink`,
  );
}

/** A pair inside the container: what is sent from `way` comes in at `in`. */
async function pair(world: World, undo: AsyncDisposableStack): Promise<void> {
  await run(world, "ip link add way type veth peer name in", "ip link set way up", "ip link set in up");
  undo.defer(() => run(world, "ip link delete way"));
}

const eth0Index = async (world: World) =>
  (await world.namespace.links()).find(({ ifname }) => ifname === "eth0")?.ifindex as number;

/** Of probes that the container's own program would have sent to the proxy. */
const notRedirected: Readonly<Record<string, Outcome>> = { "a connection to the internet": { drops: { tcp: 1 } } };

const every = (outcome: Outcome, names: readonly string[]) => Object.fromEntries(names.map((name) => [name, outcome]));

const JUDGED_BY_ADDRESS = [
  "a reply to a player",
  "data from the container port to the internet",
  "a connection to the internet",
  "a datagram to the internet",
  "a connection to port 22 of the gateway",
  "a connection to a stranger's container port",
];

/** Its kernel sends nothing of its own. */
async function quietNamespace(name: string): Promise<NetworkNamespace> {
  const namespace = await NetworkNamespace.create(name, "container");
  await namespace.sysctl("net.ipv6.conf.default.disable_ipv6", 1);
  return namespace;
}

/** A namespace behind the container, which forwards for it. */
async function tenant(world: World, undo: AsyncDisposableStack, ...rules: string[]): Promise<NetworkNamespace> {
  const behind = undo.use(await quietNamespace("behind"));
  const { namespace } = world;
  await must(
    `ip -n ${namespace.name} link add to-behind address 02:00:00:00:00:0a type veth peer name eth0 netns behind`.split(
      " ",
    ),
  );
  await namespace.ip("address add 10.9.0.1/24 dev to-behind", "link set to-behind up");
  await behind.ip("address add 10.9.0.2/24 dev eth0", "link set eth0 up", "route add default via 10.9.0.1");
  await namespace.sysctl("net.ipv4.ip_forward", 1);
  undo.defer(() => namespace.sysctl("net.ipv4.ip_forward", 0));
  for (const rule of rules) await must(namespace.inside(["nft", rule]));
  if (rules.length > 0) undo.defer(() => run(world, "nft flush ruleset"));
  return behind;
}

const behindOuter = { src: "02:00:00:00:00:0b", dst: "02:00:00:00:00:0a" };

const IFB_FILTER = "eth0 egress protocol all u32 match u32 0 0 action mirred egress redirect dev ifb0";

/** Held back on their way through an ifb device, until what sent them there is gone: else it would be marked so. */
export const AROUND: Arrangement = {
  name: "frames out of an ifb device, marked as not to be looked at again",
  async arrange(world, undo) {
    await run(world, "ip link add ifb0 type ifb", "ip link set ifb0 up", "tc qdisc add dev eth0 clsact");
    undo.defer(() => run(world, "tc qdisc delete dev eth0 clsact", "ip link delete ifb0"));
    const filler = undo.use(await Injector.open(world.namespace, "eth0"));
    const direct = undo.use(await Injector.open(world.namespace, "ifb0"));
    return {
      async around(send) {
        // One frame uses up what may pass at once, and has come out when the next are sent: these wait for seconds.
        await run(world, "tc qdisc replace dev ifb0 root tbf rate 80bit burst 1514 limit 100000");
        await run(world, `tc filter add dev ${IFB_FILTER}`);
        filler.send(ping(world.ground, "x".repeat(1514 - 42), world.ground.gateway));
        send();
        await run(
          world,
          "tc filter delete dev eth0 egress",
          "tc qdisc change dev ifb0 root tbf rate 1gbit burst 100000 limit 100000",
        );
        // Not redirected here, so it goes nowhere; but it gets the queue going.
        direct.send(ping(world.ground, "", world.ground.gateway));
      },
    };
  },
  otherwise: every({ reaches: ["host"], drops: { bypass: 1 }, because: "seen there, but routed nowhere" }, [
    ...JUDGED_BY_ADDRESS,
    "a ping to the internet, from a stranger's address",
  ]),
};

export const ARRANGEMENTS: readonly Arrangement[] = [
  {
    name: "another name for eth0",
    async arrange(world, undo) {
      await run(world, "ip link set eth0 down", "ip link set eth0 name uplink0", "ip link set uplink0 up");
      undo.defer(async () => {
        await run(world, "ip link set uplink0 down", "ip link set uplink0 name eth0");
        await restore(world);
      });
      return { ifname: "uplink0" };
    },
  },
  {
    name: "another MAC address for eth0",
    async arrange(world, undo) {
      const src = "02:00:00:00:00:66";
      await run(world, `ip link set eth0 address ${src}`);
      undo.defer(() => restore(world));
      return { ground: { outer: { ...world.ground.outer, src } } };
    },
    otherwise: every({ drops: { spoofedMac: 1 } }, [
      ...JUDGED_BY_ADDRESS,
      "a ping to the internet, from a stranger's address",
    ]),
  },
  {
    name: "another address for eth0",
    async arrange(world, undo) {
      const self = "10.2.0.77";
      await run(world, "ip address flush dev eth0", `ip address add ${self}/16 dev eth0`);
      undo.defer(async () => {
        await run(world, "ip address flush dev eth0");
        await restore(world);
      });
      return { ground: { self } };
    },
    otherwise: every({ drops: { spoofedAddress: 1 } }, JUDGED_BY_ADDRESS),
  },
  {
    name: "a greater MTU for eth0",
    async arrange(world, undo) {
      await run(world, "ip link set eth0 mtu 9000");
      undo.defer(() => run(world, "ip link set eth0 mtu 1500"));
      return {};
    },
  },
  {
    name: "a bridge over eth0",
    async arrange(world, undo) {
      await run(
        world,
        `ip link add br0 address ${world.ground.outer.src} type bridge mcast_snooping 0`,
        "ip link set br0 up",
        "ip link set eth0 master br0",
      );
      undo.defer(() => run(world, "ip link delete br0"));
      return { ifname: "br0" };
    },
  },
  {
    name: "a macvlan over eth0",
    async arrange(world, undo) {
      await run(world, "ip link add link eth0 name mv0 type macvlan mode bridge", "ip link set mv0 up");
      undo.defer(() => run(world, "ip link delete mv0"));
      return { ifname: "mv0" };
    },
  },
  {
    name: "a macvtap over eth0",
    async arrange(world, undo) {
      await run(world, "ip link add link eth0 name mv0 type macvtap mode passthru", "ip link set mv0 up");
      undo.defer(() => run(world, "ip link delete mv0"));
      return { ifname: "mv0" };
    },
  },
  {
    name: "eth0 in another namespace of the container's",
    async arrange(world, undo) {
      const inner = undo.use(await quietNamespace("inner"));
      await run(world, "ip link set eth0 netns inner");
      undo.defer(async () => {
        await inner.ip(`link set eth0 netns ${world.namespace.name}`);
        await restore(world);
      });
      await inner.ip("link set eth0 up");
      return { namespace: inner };
    },
    otherwise: notRedirected,
  },
  {
    name: "a namespace behind the container, routed",
    async arrange(world, undo) {
      const namespace = await tenant(world, undo);
      return { namespace, ground: { self: "10.9.0.2", outer: behindOuter } };
    },
    otherwise: every({ drops: { spoofedAddress: 1 } }, JUDGED_BY_ADDRESS),
  },
  {
    name: "a namespace behind the container, masqueraded",
    async arrange(world, undo) {
      const namespace = await tenant(
        world,
        undo,
        "add table ip t",
        "add chain ip t p { type nat hook postrouting priority srcnat ; }",
        "add rule ip t p masquerade",
      );
      return { namespace, ground: { self: "10.9.0.2", outer: behindOuter } };
    },
    otherwise: { "a ping to the internet, from a stranger's address": { drops: { icmp: 1 } } },
  },
  {
    name: "frames forwarded to eth0 by nftables",
    async arrange(world, undo) {
      await pair(world, undo);
      for (const rule of [
        "add table netdev t",
        "add chain netdev t c { type filter hook ingress device in priority 0 ; }",
        "add rule netdev t c fwd to eth0",
      ]) {
        await must(world.namespace.inside(["nft", rule]));
      }
      undo.defer(() => run(world, "nft flush ruleset"));
      return { ifname: "way" };
    },
  },
  {
    name: "frames that its own tc filter redirects to eth0",
    async arrange(world, undo) {
      await pair(world, undo);
      await run(
        world,
        "tc qdisc add dev in clsact",
        "tc filter add dev in ingress protocol all u32 match u32 0 0 action mirred egress redirect dev eth0",
      );
      return { ifname: "way" };
    },
  },
  {
    name: "its own tc filter on eth0, which lets everything out",
    async arrange(world, undo) {
      const ifindex = await eth0Index(world);
      using file = await compile(ifindex);
      using object = BpfObject.open(file.bytes, { name: "way_around" }).load();
      using netns = openNetns(world.namespace.path);
      const slot = { ifindex, direction: "egress", priority: 1, handle: 1 } as const;
      withNetns(netns, () => void attachClsact(object.program("have_done"), slot));
      undo.defer(() => run(world, "tc qdisc delete dev eth0 clsact"));
      return {};
    },
  },
  {
    name: "a TCX program ahead of the one that redirects",
    async arrange(world, undo) {
      const ifindex = await eth0Index(world);
      using file = await compile(ifindex);
      using object = BpfObject.open(file.bytes, { name: "way_around" }).load();
      const program = object.program("have_done");
      using netns = openNetns(world.namespace.path);
      undo.use(withNetns(netns, () => attachTcx({ program, ifindex, direction: "egress", position: "first" })));
      return {};
    },
    otherwise: notRedirected,
  },
  {
    name: "frames that its own TCX program sends into eth0's other end",
    async arrange(world, undo) {
      await pair(world, undo);
      using file = await compile(await eth0Index(world));
      using object = BpfObject.open(file.bytes, { name: "way_around" }).load();
      const program = object.program("marked_to_peer");
      const ifindex = (await world.namespace.links()).find(({ ifname }) => ifname === "in")?.ifindex as number;
      using netns = openNetns(world.namespace.path);
      undo.use(withNetns(netns, () => attachTcx({ program, ifindex, direction: "ingress" })));
      return { ifname: "way" };
    },
    otherwise: notRedirected,
  },
  {
    name: "frames that its own XDP program sends out of eth0",
    async arrange(world, undo) {
      await pair(world, undo);
      using file = await compile(await eth0Index(world));
      // iproute2 makes itself at home in the first bpffs it finds, or mounts one: here for itself alone.
      await run(
        world,
        `unshare --mount env TC_BPF_MNT=${file.path}.mount ip link set dev in xdpgeneric object ${file.path} section xdp`,
      );
      return { ifname: "way" };
    },
    otherwise: notRedirected,
  },
  AROUND,
];

/** It cannot be undone: the container has no program on its own side any more. */
export const DETACHED: Arrangement = {
  name: "the program that redirects, detached",
  async arrange(world) {
    const ifindex = await eth0Index(world);
    using netns = openNetns(world.namespace.path);
    const { entries } = withNetns(netns, () => queryTcx(ifindex, "egress"));
    for (const { linkId } of entries) {
      using link = Link.fromId(linkId as number);
      link.detach();
    }
    if (withNetns(netns, () => queryTcx(ifindex, "egress")).entries.length > 0) throw new Error("it is still there");
    return {};
  },
  otherwise: notRedirected,
};
