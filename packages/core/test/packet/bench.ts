/**
 * Runs one of the objects' programs on packets (BPF_PROG_TEST_RUN), inside a network namespace of its own that has the
 * interfaces the maps speak of:
 *
 *        players ── uplink (10)                 ┌ peer (20) ── container A, 10.2.0.2
 *                   203.0.113.10 : 25570 → A    │ 10.1.0.2
 *                                : 25571 → B    └ peer (22) ── container B, 10.2.0.3
 *                                                 10.1.0.3      stranger (30): no server's
 *
 * Nothing is pinned or attached, and the namespace has no name: it all ends with the process, whatever becomes of it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  type DpConfig,
  type DpVethPair,
  DpDrop,
  dpDropNames,
  mapLayouts,
  type MapLayout,
  type ObjectName,
  objects,
} from "@dp/bpf";
import { Errno, type Fd, netnsCookie, openNetns, SyscallError, withNetns } from "@dp/sys";
import {
  attachClsact,
  attachTcx,
  type BpfMap,
  BpfObject,
  bytes,
  hasTcx,
  type Link,
  MapType,
  type OpenObject,
  perCpu,
  possibleCpus,
  type Program,
  skbContext,
  u32,
} from "../../src/libbpf/index.ts";
import { fixture } from "../support/fixture.ts";

export const UPLINK = { index: 10, mac: "02:aa:00:00:00:01" };
export const STRANGER = { index: 30, mac: "02:aa:00:00:00:02" };
export const HOST_PEER_MAC = "7e:90:c4:ed:df:d0";
export const PUBLIC_ADDRESS = "203.0.113.10";

/** Two servers. Both containers have the same game port, and all host peers the same MAC. */
export const A = {
  hostPeer: 20,
  mac: "02:00:00:00:00:0a",
  address: "10.2.0.2",
  hostAddress: "10.1.0.2",
  gamePort: 25565,
  publicPort: 25570,
};
export const B = {
  hostPeer: 22,
  mac: "02:00:00:00:00:0b",
  address: "10.2.0.3",
  hostAddress: "10.1.0.3",
  gamePort: 25565,
  publicPort: 25571,
};

export type Server = typeof A;

/** As the keys of dp_host_peers are. */
export function addressNumber(address: string): number {
  return address.split(".").reduce((bits, octet) => bits * 256 + Number(octet), 0);
}

export function publicKey(server: Server): { addr: string; port: number } {
  return { addr: PUBLIC_ADDRESS, port: server.publicPort };
}

/** Addresses of the host besides its host peers': 203.0.113.10 on the uplink, and one on another interface. */
export const HOST_ADDRESSES = [PUBLIC_ADDRESS, "192.0.2.1"];

export const CONFIG: DpConfig = {
  httpPort: 9080,
  dnsPort: 9053,
  tcpPort: 9111,
  hostSubnet: "10.1.0.0",
  hostMask: "255.255.0.0",
  containerSubnet: "10.2.0.0",
  containerMask: "255.255.0.0",
  portFirst: 25565,
  portLast: 30564,
  publicAddr: PUBLIC_ADDRESS,
  uplink: UPLINK.index,
  hostOctets: [0n, 0n, 0n, 0n].map((_, word) =>
    HOST_ADDRESSES.map((address) => Number(address.split(".")[3]))
      .filter((octet) => octet >> 6 === word)
      .reduce((bits, octet) => bits | (1n << BigInt(octet & 63)), 0n),
  ),
  playerKey: 0x9e3779b97f4a7c15n,
  playersFrom: 0,
  heldUntil: 0n,
};

/** What the programs' return values mean, in the words of their comments. */
const VERDICTS = { 0xffffffff: "next", 0: "pass", 2: "drop", 7: "redirect" } as const;
export type Verdict = (typeof VERDICTS)[keyof typeof VERDICTS];

export type DropReason = Exclude<keyof typeof DpDrop, "none" | "max">;

/** Everything the programs counted: `25570 in packets`, `20 out bytes`, `20 drop udp`. Zeroes are left out. */
export type Counts = Record<string, number>;

export interface BenchOptions {
  /** The program to run, of an object with several. Default: the one named after the object. */
  program?: string;
  /** What to set in the object before it is loaded. */
  prepare?: (object: OpenObject) => void;
}

export interface RunOptions {
  /** Another program of the object. */
  program?: string;
  /** The interface whose hook it is. Default: where the program belongs. */
  ifindex?: number;
  /** Cuts the frame to this many bytes inside the kernel, which takes no cut IPv4 header from outside. */
  cutTo?: number;
  /** A VLAN tag beside the frame, as devices leave it: the 16-bit TCI. */
  tag?: number;
  gsoSize?: number;
  gsoSegs?: number;
  checksumComplete?: boolean;
}

export interface Outcome {
  verdict: Verdict;
  packet: Uint8Array;
  counts: Counts;
}

type MapName = keyof typeof mapLayouts;

export class Bench implements Disposable {
  readonly #namespace: Fd;
  readonly #object: BpfObject;
  readonly #arranger: BpfObject;
  readonly #program: string;
  readonly #maps: ReadonlySet<string>;
  readonly #defaultIfindex: number;
  #link: Link | undefined;
  /** Whether the kernel can give a packet a sum of its bytes and look after it (Linux 6.15). */
  readonly checksumComplete: boolean;
  /** Of the bench's network namespace: both containers are in it. */
  readonly netnsCookie: bigint;

  private constructor(
    namespace: Fd,
    object: BpfObject,
    arranger: BpfObject,
    program: string,
    maps: ReadonlySet<string>,
  ) {
    this.#namespace = namespace;
    this.netnsCookie = netnsCookie(namespace);
    this.#object = object;
    this.#arranger = arranger;
    this.#program = program;
    this.#maps = maps;
    this.#defaultIfindex = program === "dp_dnat" ? UPLINK.index : A.hostPeer;
    this.checksumComplete = canSumUp(object.program(program));
  }

  static async open(name: ObjectName, options: BenchOptions = {}): Promise<Bench> {
    const namespace = await makeNamespace();
    const opened = BpfObject.open(objects[name](), { name });
    // Replies go to players alone; who is one is for players.test.ts.
    if (name === "snat" || name === "dnat") opened.setVariable("dp_player_steps", u32, 0xffffffff);
    options.prepare?.(opened);
    const maps = new Set(opened.maps().map((map) => map.name));
    const object = opened.load();
    const arranger = BpfObject.open(fixture("arrange"), { name: "arrange" }).load();
    if (name === "tproxy") await startSweep(object.program("dp_start_sweep"));
    const bench = new Bench(namespace, object, arranger, options.program ?? `dp_${name}`, maps);
    bench.reset();
    return bench;
  }

  /** The maps as they are with the two servers of the drawing. */
  reset(): void {
    for (const name of Object.keys(mapLayouts) as MapName[]) {
      if (this.has(name) && mapLayouts[name].type !== MapType.array) this.clear(name);
    }
    const traffic = { packets: 0n, bytes: 0n };
    this.set("dp_configs", 0, CONFIG);
    for (const address of HOST_ADDRESSES) this.set("dp_host_addrs", address, { ifindex: UPLINK.index });
    this.set("dp_uplinks", UPLINK.index, UPLINK.index);
    for (const server of [A, B]) {
      this.set("dp_dnat_targets", publicKey(server), {
        hostPeer: server.hostPeer,
        addr: server.address,
        port: server.gamePort,
        mac: server.mac,
        traffic,
      });
      this.set("dp_snat_targets", server.hostPeer, {
        addr: server.address,
        hostAddr: server.hostAddress,
        publicAddr: PUBLIC_ADDRESS,
        publicPort: server.publicPort,
        gamePort: server.gamePort,
        uplink: UPLINK.index,
        group: 0,
        mac: server.mac,
        traffic,
      });
      this.set("dp_host_peers", addressNumber(server.address), server.hostPeer);
      if (this.has("dp_veth_pairs")) this.set("dp_veth_pairs", server.address, vethPairOf(server, this.netnsCookie));
    }
    for (const key of [0, A.hostPeer, B.hostPeer]) {
      this.set("dp_drop_counts", key, { packets: Array.from({ length: DpDrop.max }, () => 0n) });
    }
  }

  /** Whether the object has this map. */
  has(name: MapName): boolean {
    return this.#maps.has(name);
  }

  /** One of the object's programs, for another to call. */
  program(name: string): Program {
    return this.#object.program(name);
  }

  /** An entry of a map; of a per-CPU map, the first CPU's. Throws when there is none. */
  get<Name extends MapName>(name: Name, key: KeyOf<Name>): ValueOf<Name> {
    const { map, isPerCpu } = this.#open(name);
    const value = map.get(key);
    if (value === undefined) throw new Error(`${name} has no such entry`);
    return (isPerCpu ? (value as unknown[])[0] : value) as ValueOf<Name>;
  }

  /** The entries of a map that is not per CPU, by no order. */
  entries<Name extends MapName>(name: Name): [KeyOf<Name>, ValueOf<Name>][] {
    return [...this.#open(name).map] as [KeyOf<Name>, ValueOf<Name>][];
  }

  /** The same as they lie in the kernel. */
  bytes(name: MapName): string[] {
    const { key, value } = mapLayouts[name] as MapLayout<unknown, unknown>;
    const entries = this.#object.map(name, bytes(key.size), bytes(value.size)).entries();
    return Array.from(entries, (entry) => JSON.stringify(entry)).sort();
  }

  /** Sets an entry of a map of the object; of a per-CPU map, for every CPU the same. */
  set<Name extends MapName>(name: Name, key: KeyOf<Name>, value: ValueOf<Name>): void {
    const { map, isPerCpu } = this.#open(name);
    // In the namespace: interfaces are entered by their index there.
    this.inside(() => map.set(key, isPerCpu ? Array.from({ length: possibleCpus() }, () => value) : value));
  }

  delete<Name extends MapName>(name: Name, key: KeyOf<Name>): void {
    this.#open(name).map.delete(key);
  }

  clear(name: MapName): void {
    this.#open(name).map.clear();
  }

  /** For another object to use the same one. */
  lend(name: MapName): BpfMap<unknown, unknown> {
    return this.#open(name).map;
  }

  #open(name: MapName): { map: BpfMap<unknown, unknown>; isPerCpu: boolean } {
    const { key, value, type } = mapLayouts[name] as MapLayout<unknown, unknown>;
    const isPerCpu = type === MapType.perCpuHash;
    return { map: this.#object.map<unknown, unknown>(name, key, isPerCpu ? perCpu(value) : value), isPerCpu };
  }

  run(frame: Uint8Array, options: RunOptions = {}): Outcome {
    const before = this.counts();
    const outcome = this.runUncounted(frame, options);
    return { ...outcome, counts: difference(before, this.counts()) };
  }

  /** As {@link run}, without the counters: a tenth of its time. */
  runUncounted(frame: Uint8Array, options: RunOptions = {}): Omit<Outcome, "counts"> {
    const { cutTo = 0, tag, gsoSize, gsoSegs, checksumComplete = false } = options;
    const arranged = cutTo !== 0 || tag !== undefined;
    const underTest = this.#object.program(options.program ?? this.#program);
    const program = arranged ? this.#arranger.program("arrange") : underTest;
    if (arranged) this.#arranger.map("under_test", u32, u32).set(0, underTest.fd);
    const ctx = skbContext({
      ifindex: options.ifindex ?? this.#defaultIfindex,
      // Above the TCI a bit that says there is one: a tag may be all zero.
      cb: [cutTo, tag === undefined ? 0 : tag | 0x10000, 0, 0, 0],
      ...(gsoSize === undefined ? {} : { gsoSize, gsoSegs: gsoSegs ?? 2 }),
    });
    const result = this.inside(() => program.testRun({ data: frame, ctx, checksumComplete }));
    const verdict = (VERDICTS as Record<number, Verdict>)[result.retval];
    if (verdict === undefined) throw new Error(`the program returned ${result.retval}`);
    return { verdict, packet: result.data.slice() };
  }

  /** All counters of all servers, summed over the CPUs. */
  counts(): Counts {
    const counts: Counts = {};
    const add = (name: string, value: bigint) => {
      counts[name] = (counts[name] ?? 0) + Number(value);
    };
    for (const [{ port }, { traffic }] of this.#perCpuValues("dp_dnat_targets")) {
      add(`${port} in packets`, traffic.packets);
      add(`${port} in bytes`, traffic.bytes);
    }
    for (const [ifindex, { traffic }] of this.#perCpuValues("dp_snat_targets")) {
      add(`${ifindex} out packets`, traffic.packets);
      add(`${ifindex} out bytes`, traffic.bytes);
    }
    for (const [ifindex, { packets }] of this.#perCpuValues("dp_drop_counts")) {
      packets.forEach((count, reason) => add(`${ifindex} drop ${dpDropNames[reason] ?? reason}`, count));
    }
    return counts;
  }

  #perCpuValues<Name extends MapName>(name: Name): [KeyOf<Name>, ValueOf<Name>][] {
    const entries = [...this.#open(name).map] as [KeyOf<Name>, ValueOf<Name>[]][];
    return entries.flatMap(([key, values]) => values.map((value): [KeyOf<Name>, ValueOf<Name>] => [key, value]));
  }

  /** Puts the program on the hook it belongs to, for packets that really come in. */
  attach(): void {
    const place = { ifindex: this.#defaultIfindex, direction: "ingress" } as const;
    const program = this.#object.program(this.#program);
    this.inside(() => {
      if (hasTcx()) this.#link = attachTcx({ program, ...place });
      else attachClsact(program, { ...place, priority: 1, handle: 1 });
    });
  }

  /** Runs `body` in the bench's network namespace. */
  inside<T>(body: () => T extends PromiseLike<unknown> ? never : T): T {
    return withNetns(this.#namespace, body);
  }

  [Symbol.dispose](): void {
    this.#link?.close();
    this.#arranger.close();
    this.#object.close();
    this.#namespace.close();
  }
}

/** As the loader does: see dp_start_sweep. */
async function startSweep(program: Program): Promise<void> {
  while (program.testRun({ data: new Uint8Array(64) }).retval !== 0) await Bun.sleep(10);
}

/** What the container-side program knows of a server. */
export function vethPairOf(server: Server, netnsCookie = 0n): DpVethPair {
  return {
    hostPeer: server.hostPeer,
    hostAddr: server.hostAddress,
    gamePort: server.gamePort,
    group: 0,
    mac: server.mac,
    flows: 0,
    netnsCookie,
  };
}

type KeyOf<Name extends MapName> = (typeof mapLayouts)[Name] extends MapLayout<infer K, infer _> ? K : never;
type ValueOf<Name extends MapName> = (typeof mapLayouts)[Name] extends MapLayout<infer _, infer V> ? V : never;

/** What was counted between two moments. */
export function difference(before: Counts, after: Counts): Counts {
  const changes = Object.entries(after).map(([name, value]): [string, number] => [name, value - (before[name] ?? 0)]);
  return Object.fromEntries(changes.filter(([, change]) => change !== 0));
}

/** Tried on a packet no program looks into. What is left out where it cannot be done is said once. */
function canSumUp(program: Program): boolean {
  try {
    program.testRun({ data: new Uint8Array(64), checksumComplete: true });
    return true;
  } catch (error) {
    if (!(error instanceof SyscallError && error.errno === Errno.EINVAL)) throw error;
    if (!toldOfSums) console.warn("left out: packets with CHECKSUM_COMPLETE, which test runs have from Linux 6.15 on");
    toldOfSums = true;
    return false;
  }
}

let toldOfSums = false;

/** A network namespace held open by nothing but the returned descriptor. */
async function makeNamespace(): Promise<Fd> {
  const commands = [
    // Else the kernel speaks IPv6 on every interface, by itself.
    "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6",
    "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6",
    `ip link add uplink index ${UPLINK.index} address ${UPLINK.mac} type veth peer name player index 11`,
    `ip link add peer-a index ${A.hostPeer} address ${HOST_PEER_MAC} type veth` +
      ` peer name in-a index 21 address ${A.mac}`,
    `ip link add peer-b index ${B.hostPeer} address ${HOST_PEER_MAC} type veth` +
      ` peer name in-b index 23 address ${B.mac}`,
    `ip link add stranger index ${STRANGER.index} address ${STRANGER.mac} type veth peer name far index 31`,
    "for name in uplink player peer-a in-a peer-b in-b stranger; do ip link set $name mtu 9000 up; done",
    "echo ready",
    "read _",
  ];
  const child = spawn("unshare", ["--net", "sh", "-ec", commands.join("\n")], { stdio: ["pipe", "pipe", "pipe"] });
  const ended = once(child, "exit");
  let said = "";
  let complaint = "";
  child.stderr.on("data", (chunk) => (complaint += String(chunk)));
  for await (const chunk of child.stdout) {
    said += String(chunk);
    if (said.includes("ready")) break;
  }
  if (!said.includes("ready")) throw new Error(`cannot make a network namespace: ${complaint.trim()}`);
  const namespace = openNetns(`/proc/${child.pid}/ns/net`);
  child.stdin.end("\n");
  await ended;
  return namespace;
}
