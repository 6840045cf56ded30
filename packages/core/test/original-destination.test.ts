/**
 * The egress programs with real sockets: what a proxy is told of its connections, and how long flows live.
 *
 *     container                         host
 *     10.2.0.2 eth0 ──────── veth ───── dp0 10.1.0.2     the proxy, in a cgroup of its own:
 *     default via 10.1.0.2                               9111 IPv4, 9080 and 9053 IPv6 sockets
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Errno, netnsCookie } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { Cgroup } from "@dp/test-kit/cgroup.ts";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import {
  entryOf,
  HOST_PEER_MAC,
  type HostConfig,
  type Objects,
  readInterface,
  type ServerRecord,
  toVethPeer,
} from "../src/index.ts";
import { type OpenObject, u64 } from "../src/libbpf/index.ts";
import { loadBuild } from "../src/objects/upgrade/open.ts";
import { CONFIG, LOBBY } from "./support/lobby.ts";

requireRoot();

const CONTAINER_MAC = "02:00:00:00:00:0a";
const WEB = "198.51.100.80";
/** The id of the container's server. */
const SERVER = LOBBY.id;
const MILLISECOND = 1_000_000n;

const SOL_SOCKET = 1;
const SOL_IP = 0;
const SOL_TCP = 6;
const SOL_IPV6 = 41;
const SO_ORIGINAL_DST = 80;

/** [level, name, length] */
type Ask = readonly [number, number, number];
interface Answer {
  port: number;
  remoteAddress: string;
  remotePort: number;
  asked: { result: number; value: string }[];
}

/** What proxies ask with, and more. */
const LENGTHS = [16, 20, 28, 32, 33, 112, 128, 4095, 4096, 4097, 8192, 65536];
const TOO_SHORT = [0, 1, 8, 15];
const OTHERS: readonly Ask[] = [
  [SOL_SOCKET, 3, 4], // SO_TYPE
  [SOL_SOCKET, 4, 4], // SO_ERROR
  [SOL_SOCKET, 4, 8192],
  [SOL_TCP, 13, 16], // TCP_CONGESTION
  [SOL_TCP, 13, 8192],
  [SOL_TCP, 2, 4], // TCP_MAXSEG
  [SOL_TCP, 80, 16], // the number of SO_ORIGINAL_DST, of another level
  [SOL_SOCKET, 80, 16],
  [SOL_IP, 81, 16],
  [SOL_IP, 81, 8192],
  [SOL_IP, 12345, 8192],
];
const ASKS: readonly Ask[] = [
  ...LENGTHS.map((length): Ask => [SOL_IP, SO_ORIGINAL_DST, length]),
  ...TOO_SHORT.map((length): Ask => [SOL_IP, SO_ORIGINAL_DST, length]),
  [SOL_IPV6, SO_ORIGINAL_DST, 28],
  [SOL_IPV6, SO_ORIGINAL_DST, 8192],
  ...OTHERS,
];

/** A struct sockaddr_in. */
function sockaddr(address: string, port: number): string {
  return Buffer.from([2, 0, port >> 8, port & 0xff, ...address.split(".").map(Number), ...new Uint8Array(8)]).toString(
    "hex",
  );
}

const UNTOUCHED = "ee".repeat(16);

let bpffs: Bpffs;
let cgroup: Cgroup;
let host: NetworkNamespace;
let container: NetworkNamespace;
let objects: Objects;
const children: ChildProcess[] = [];

/** Short times, in the objects that have flows. */
const brief = (name: string, object: OpenObject) => {
  if (name !== "tproxy" && name !== "proxy_socket") return;
  object.setVariable("dp_closing_ns", u64, 500n * MILLISECOND);
  object.setVariable("dp_udp_ns", u64, 500n * MILLISECOND);
  object.setVariable("dp_sweep_ns", u64, 100n * MILLISECOND);
};

function load(prepare?: typeof brief): Objects {
  return host.inside(() => loadBuild({ pinRoot: bpffs.path }, prepare === undefined ? {} : { prepare }));
}

function nsenter(namespace: NetworkNamespace, ...command: string[]): [string, string[]] {
  return ["nsenter", [`--net=${namespace.path}`, ...command]];
}

beforeAll(async () => {
  bpffs = new Bpffs();
  cgroup = new Cgroup();
  host = NetworkNamespace.withPair();
  container = NetworkNamespace.withPair();
  const ends = ["name", "hp0", "address", HOST_PEER_MAC, "netns", host.name, "type", "veth"];
  execFileSync("ip", [
    "link",
    "add",
    ...ends,
    "peer",
    "name",
    "eth0",
    "address",
    CONTAINER_MAC,
    "netns",
    container.name,
  ]);
  for (const namespace of [host, container]) namespace.ip("link", "set", "lo", "up");
  host.ip("addr", "add", "10.1.0.2/32", "dev", "hp0");
  host.ip("link", "set", "hp0", "up");
  host.ip("route", "add", "10.2.0.2/32", "dev", "hp0");
  host.ip("neigh", "add", "10.2.0.2", "lladdr", CONTAINER_MAC, "dev", "hp0");
  container.ip("addr", "add", "10.2.0.2/32", "dev", "eth0");
  container.ip("link", "set", "eth0", "up");
  container.ip("route", "add", "10.1.0.2/32", "dev", "eth0");
  container.ip("route", "add", "default", "via", "10.1.0.2");

  objects = load(brief);
  const hostPeer = host.inside(() => readInterface("hp0"));
  const ctrPeer = container.inside(() => readInterface("eth0"));
  const record: ServerRecord = {
    ...LOBBY,
    hostPeer: toVethPeer(hostPeer),
    containerPeer: toVethPeer(ctrPeer),
    netns: { ...LOBBY.netns, cookie: netnsCookie(container.fd) },
  };
  objects.config.set(CONFIG);
  objects.drops.add(SERVER);
  objects.players.add(SERVER);
  objects.servers.set(hostPeer.index, entryOf(record, 0));
  objects.containers.set("10.2.0.2", { server: SERVER, hostPeer: hostPeer.index });
  host.inside(() => objects.hostPeers.set(SERVER, hostPeer.index));
  attach(objects);
  await startProxy(cgroup.path);
});

function attach(to: Objects): string[] {
  const hostPeer = host.inside(() => readInterface("hp0"));
  const ctrPeer = container.inside(() => readInterface("eth0"));
  return [
    ...host.inside(() => [
      to.attachAndPinArp(hostPeer),
      to.attachAndPinSnat(hostPeer),
      to.attachTproxyHostEgress(hostPeer),
    ]),
    to.attachTproxyCtrEgress(ctrPeer, { netns: container.fd, hostPeerName: "hp0" }),
    to.attachAndPinGetsockopt(cgroup.path),
  ];
}

afterAll(async () => {
  for (const child of children) {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
  objects.unpinAll();
  objects.close();
  host[Symbol.dispose]();
  container[Symbol.dispose]();
  bpffs[Symbol.dispose]();
  cgroup[Symbol.dispose]();
});

async function startProxy(inCgroup: string, ports = [9111, 9080, 9053], where = host): Promise<ChildProcess> {
  const script = join(import.meta.dirname, "support/asking-proxy.mjs");
  const [command, args] = nsenter(where, process.execPath, script, JSON.stringify(ports), JSON.stringify(ASKS));
  const enter = `echo $$ > ${inCgroup}/cgroup.procs && exec "$@"`;
  const child = spawn("bash", ["-c", enter, "bash", command, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  for await (const line of createInterface({ input: child.stdout })) if (line === "ready") break;
  return child;
}

/** A child, to be killed at the end of a block. */
function ending(child: ChildProcess): AsyncDisposable {
  children.splice(children.indexOf(child), 1);
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

interface Talk {
  host: string;
  port: number;
  localAddress?: string;
  localPort?: number;
  times?: number;
  say?: "once" | "stay";
}

function clientCommand(what: Talk, from: NetworkNamespace): [string, string[]] {
  const script = join(import.meta.dirname, "support/asking-client.mjs");
  return nsenter(from, process.execPath, script, JSON.stringify(what));
}

function talk(what: Talk, from = container): string {
  const [command, args] = clientCommand(what, from);
  return execFileSync(command, args, { encoding: "utf8", timeout: 60_000 }).trim();
}

const askThrough = (what: Talk, from?: NetworkNamespace): Answer => JSON.parse(talk(what, from)) as Answer;

/** A connection that stays until it is told to end. */
class Kept implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(what: Talk) {
    const [command, args] = clientCommand({ ...what, say: "stay" }, container);
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    children.push(this.#child);
    if (this.#child.stdout === null) throw new Error("no standard output");
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async answer(): Promise<Answer> {
    return JSON.parse((await this.#lines.next()).value as string) as Answer;
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    if (this.#child.exitCode === null) await once(this.#child, "exit");
  }
}

async function until(what: () => boolean, timeout = 5000): Promise<void> {
  const deadline = performance.now() + timeout;
  while (!what() && performance.now() < deadline) await Bun.sleep(20);
  expect(what()).toBe(true);
}

function resultsOf(answer: Answer, asks: readonly Ask[]): Answer["asked"] {
  return asks.map((each) => answer.asked[ASKS.indexOf(each)] as Answer["asked"][number]);
}

const original = (lengths: readonly number[]) =>
  ASKS.filter(([level, name, length]) => level === SOL_IP && name === SO_ORIGINAL_DST && lengths.includes(length));
const ofIpv6 = ASKS.filter(([level]) => level === SOL_IPV6);

describe("SO_ORIGINAL_DST of a redirected connection", () => {
  for (const [name, port, listener] of [
    ["an IPv4 socket", 443, 9111],
    ["an IPv6 socket, of an IPv4-mapped peer", 80, 9080],
    ["the DNS listener", 53, 9053],
  ] as const) {
    test(`says where it was going, whatever legal length is asked with: ${name}`, () => {
      const answer = askThrough({ host: WEB, port });
      expect(answer.port).toBe(listener);
      expect(resultsOf(answer, original(LENGTHS))).toEqual(
        LENGTHS.map((length) => ({ result: length > 4096 ? 16 : length, value: sockaddr(WEB, port) })),
      );
    });

    test(`asked with too little room, or at the level of IPv6, fails as ever: ${name}`, () => {
      const answer = askThrough({ host: WEB, port });
      for (const { result, value } of resultsOf(answer, original(TOO_SHORT))) {
        expect(result).toBe(-Errno.EINVAL);
        expect(value).toBe(UNTOUCHED.slice(0, value.length));
      }
      for (const { result } of resultsOf(answer, ofIpv6)) expect(result).toBeLessThan(0);
    });
  }

  test("is right for two connections from one port", async () => {
    await using first = new Kept({ host: WEB, port: 443, localPort: 41000 });
    const one = await first.answer();
    const other = askThrough({ host: "198.51.100.81", port: 8443, localPort: 41000 });
    expect([one.remotePort, other.remotePort === 41000]).toEqual([41000, false]);
    const ask = original([16]);
    expect(resultsOf(one, ask)[0]?.value).toBe(sockaddr(WEB, 443));
    expect(resultsOf(other, ask)[0]?.value).toBe(sockaddr("198.51.100.81", 8443));
  });
});

describe("what dp did not redirect keeps the kernel's answer", () => {
  let stranger: Cgroup;

  let alone: AsyncDisposable;

  beforeAll(async () => {
    // The same proxy where no program is: what the kernel alone says.
    stranger = new Cgroup();
    alone = ending(await startProxy(stranger.path, [7111, 7080]));
  });

  afterAll(async () => {
    await alone[Symbol.asyncDispose]();
    stranger[Symbol.dispose]();
  });

  test("a connection of the host to the proxy itself", () => {
    for (const [ours, alone] of [
      [9111, 7111],
      [9080, 7080],
    ] as const) {
      const answer = askThrough({ host: "127.0.0.1", port: ours }, host);
      expect(answer.asked).toEqual(askThrough({ host: "127.0.0.1", port: alone }, host).asked);
      expect(resultsOf(answer, original(LENGTHS)).map(({ result }) => result < 0)).not.toContain(false);
    }
  });

  test("other options of a redirected connection", () => {
    for (const [port, alone] of [
      [443, 7111],
      [80, 7080],
    ] as const) {
      const ours = askThrough({ host: WEB, port });
      // Alone it is loopback, with another segment size.
      const compared = OTHERS.filter(([level, name]) => !(level === SOL_TCP && name === 2));
      expect(resultsOf(ours, compared)).toEqual(
        resultsOf(askThrough({ host: "127.0.0.1", port: alone }, host), compared),
      );
    }
  });

  test("a connection that nftables redirected", () => {
    const nft = (rule: string) => execFileSync(...nsenter(host, "nft", ...rule.split(" ")));
    nft("add table ip egress_test");
    try {
      nft("add chain ip egress_test out { type nat hook output priority -100 ; }");
      nft("add rule ip egress_test out ip daddr 127.0.0.9 tcp dport 7000 redirect to :9111");
      nft("add rule ip egress_test out ip daddr 127.0.0.9 tcp dport 7001 redirect to :9080");
      for (const port of [7000, 7001]) {
        const answer = askThrough({ host: "127.0.0.9", port }, host);
        expect(resultsOf(answer, original(LENGTHS))).toEqual(
          LENGTHS.map((length) => ({ result: length, value: sockaddr("127.0.0.9", port) })),
        );
        for (const { result } of resultsOf(answer, original(TOO_SHORT))) expect(result).toBe(-Errno.EINVAL);
      }
      // With connection tracking on, a redirected one is still ours.
      expect(resultsOf(askThrough({ host: WEB, port: 443 }), original([16]))[0]?.value).toBe(sockaddr(WEB, 443));
    } finally {
      nft("delete table ip egress_test");
    }
  });

  test("a connection in another namespace, whatever addresses it has made itself", async () => {
    await until(() => objects.flows.all().length === 0);
    // A neighbour in the same cgroup, with the container's address and a listener like the proxy's.
    using neighbour = NetworkNamespace.withPair();
    neighbour.ip("link", "set", "lo", "up");
    neighbour.ip("addr", "add", "10.2.0.2/32", "dev", "lo");
    await using _listener = ending(await startProxy(cgroup.path, [9111, 9080], neighbour));
    for (const [port, at, localPort] of [
      [443, 9111, 44000],
      [80, 9080, 44001],
    ] as const) {
      await using kept = new Kept({ host: WEB, port, localPort });
      await kept.answer();
      const own = { host: "127.0.0.1", port: at, localAddress: "10.2.0.2", localPort };
      const answer = askThrough(own, neighbour);
      expect([answer.remoteAddress.replace("::ffff:", ""), answer.remotePort]).toEqual(["10.2.0.2", localPort]);
      expect(resultsOf(answer, original(LENGTHS)).map(({ result }) => result < 0)).not.toContain(false);
      // Nor does its end end the flow of the container.
      const [flow] = objects.flows.all().filter(({ destination }) => destination.port === port);
      expect(flow).toMatchObject({ portAtProxy: localPort, expires: undefined });
    }
  });

  test("an answer of more than a page", () => {
    // SO_PEERGROUPS of a process with 2000 groups: 8000 bytes.
    const script = `
      const { createServer, connect } = require("node:net");
      const { getSocketOption } = await import("@dp/sys");
      const server = createServer((socket) => {
        const value = new Uint8Array(16384);
        const length = getSocketOption(socket._handle.fd, 1, 59, value);
        console.log(length, new Uint32Array(value.buffer)[1999]);
        process.exit(0);
      });
      server.listen("\\0egress-test-" + process.pid, () => connect("\\0egress-test-" + process.pid));`;
    const groups = Array.from({ length: 2000 }, (_, index) => index + 1).join(",");
    const enter = `echo $$ > ${cgroup.path}/cgroup.procs && exec setpriv --groups ${groups} "$@"`;
    const run = ["-c", enter, "bash", process.execPath, "-e", script];
    const said = execFileSync("bash", run, { encoding: "utf8", cwd: import.meta.dirname, timeout: 20_000 });
    expect(said.trim()).toBe("8000 2000");
  });
});

describe("the flow of a connection", () => {
  test("lives as long as the proxy's socket, then a little longer, then is gone", async () => {
    await until(() => objects.flows.all().length === 0);
    {
      await using kept = new Kept({ host: WEB, port: 443, localPort: 42000 });
      await kept.answer();
      const flow = {
        server: SERVER,
        protocol: "tcp",
        port: 42000,
        portAtProxy: 42000,
        destination: { address: WEB, port: 443 },
        listener: 9111,
        expires: undefined,
      } as const;
      expect(objects.flows.all()).toEqual([flow]);
      expect(objects.flows.of(9)).toEqual([]);
      expect(objects.flows.count(SERVER)).toBe(1);
      // Longer than anything but an established flow is kept here.
      await Bun.sleep(1200);
      expect(objects.flows.all()).toEqual([flow]);
    }
    expect(objects.flows.all()[0]?.expires).toBeGreaterThan(0n);
    await until(() => objects.flows.all().length === 0, 2000);
    expect(objects.flows.count(SERVER)).toBe(0);
  });

  test("of the IPv6 listener as well", async () => {
    {
      await using kept = new Kept({ host: WEB, port: 80 });
      await kept.answer();
      expect(objects.flows.all()).toMatchObject([{ listener: 9080, expires: undefined }]);
    }
    await until(() => objects.flows.all().length === 0, 2000);
  });

  test("that no proxy accepts ends with the refusal", () => {
    objects.config.set({ ...(objects.config.get() as HostConfig), tcpPort: 9112 });
    try {
      expect(talk({ host: WEB, port: 443 })).toBe("ECONNREFUSED");
      expect(objects.flows.all()).toEqual([]);
    } finally {
      objects.config.set({ ...(objects.config.get() as HostConfig), tcpPort: 9111 });
    }
  });

  test("ends when the proxy is killed", async () => {
    const child = await startProxy(cgroup.path, [9211]);
    const config = objects.config.get() as HostConfig;
    objects.config.set({ ...config, tcpPort: 9211 });
    try {
      await using kept = new Kept({ host: WEB, port: 443 });
      await kept.answer();
      expect(objects.flows.all()).toMatchObject([{ listener: 9211, expires: undefined }]);
      child.kill("SIGKILL");
      await until(() => objects.flows.all().length === 0, 2000);
    } finally {
      objects.config.set(config);
    }
  });

  test("thousands of short ones leave nothing behind", async () => {
    const said = JSON.parse(talk({ host: WEB, port: 443, times: 3000 })) as { answered: number };
    expect(said).toEqual({ answered: 3000 });
    await until(() => objects.flows.all().length === 0, 3000);
    expect(objects.flows.count(SERVER)).toBe(0);
    const drops = objects.drops.read(SERVER);
    expect(drops?.flows).toBe(0n);
    expect(drops?.tcp).toBe(0n);
  }, 60_000);
});

describe("replacing the programs", () => {
  test("keeps connections and flows, and flows still end", async () => {
    await until(() => objects.flows.all().length === 0);
    const before = objects;
    let kept: Kept | undefined = new Kept({ host: WEB, port: 443, localPort: 43000 });
    try {
      await kept.answer();
      objects = load();
      expect(attach(objects)).toEqual(["updated", "updated", "updated", "updated", "updated"]);
      before.close();
      expect(objects.flows.all()).toMatchObject([{ port: 43000, expires: undefined }]);
      // Established under the old programs, closed under the new, which keep it for half a minute.
      await kept[Symbol.asyncDispose]();
      kept = undefined;
      expect(objects.flows.all()).toMatchObject([{ port: 43000 }]);
      const left = Number(objects.flows.all()[0]?.expires ?? 0n) / 1e9 - Number(readUptime());
      expect(left).toBeGreaterThan(20);
      expect(left).toBeLessThan(31);
    } finally {
      await kept?.[Symbol.asyncDispose]();
    }
    // Closing under the new programs, due under the newest: short lives again.
    const next = load(brief);
    attach(next);
    objects.close();
    objects = next;
    talk({ host: WEB, port: 444 });
    await until(() => objects.flows.all().every(({ port }) => port === 43000), 2000);
    expect(objects.flows.all()).toHaveLength(1);
  });

  test("lets the timers the old ones have set go off", async () => {
    talk({ host: WEB, port: 443 });
    const [flow] = objects.flows.all().filter(({ port }) => port !== 43000);
    expect(flow?.expires).toBeGreaterThan(0n);
    const next = load();
    attach(next);
    objects.close();
    objects = next;
    await until(() => objects.flows.all().every(({ port }) => port === 43000), 2000);
  });

  test("a removed container's flows can be forgotten, whatever state they are in", async () => {
    const kept = new Kept({ host: WEB, port: 443 });
    await kept.answer();
    expect(objects.flows.all().length).toBeGreaterThan(1);
    const count = objects.flows.all().length;
    expect(objects.containers.delete("10.2.0.2")).toBe(true);
    expect(objects.flows.delete(9)).toBe(0);
    expect(objects.flows.delete(SERVER)).toBe(count);
    expect([objects.flows.all(), objects.flows.count(SERVER)]).toEqual([[], 0]);
    // It cannot end its connection any more.
    await kept.kill();
    expect(objects.flows.all()).toEqual([]);
  });
});

/** Seconds of CLOCK_MONOTONIC, near enough: this machine does not sleep. */
function readUptime(): string {
  return execFileSync("cut", ["-d", " ", "-f1", "/proc/uptime"], { encoding: "utf8" });
}
