/** Swapping programs under traffic: at no instant is a hook without one. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { loadBpf, type Objects, readInterface } from "../src/index.ts";

requireRoot();

let bpffs: Bpffs;
/** The host: dp0, whose packets are all to be dropped. */
let host: NetworkNamespace;
/** The container: the other end, which never stops sending. */
let container: NetworkNamespace;
let sender: ChildProcess;

beforeEach(() => {
  bpffs = new Bpffs();
  host = NetworkNamespace.withPair();
  container = NetworkNamespace.withPair();
  host.ip("link", "set", "dp1", "netns", container.name, "name", "eth0");
  host.ip("address", "add", "10.1.0.2/24", "dev", "dp0");
  container.ip("address", "add", "10.1.0.3/24", "dev", "eth0");
  container.ip("link", "set", "eth0", "up");
  host.ip("link", "set", "dp0", "up");
  const { mac } = host.inside(() => readInterface("dp0"));
  container.ip("neighbour", "add", "10.1.0.2", "lladdr", mac, "dev", "eth0");
});

afterEach(async () => {
  const ended = new Promise((resolve) => sender.once("exit", resolve));
  sender.kill("SIGKILL");
  await ended;
  for (const each of [bpffs, host, container]) each[Symbol.dispose]();
});

function startSending(): void {
  const script = `
    const socket = require("node:dgram").createSocket("udp4");
    const burst = () => { for (let i = 0; i < 50; i++) socket.send("?", 9, "10.1.0.2"); setTimeout(burst, 1); };
    burst();`;
  sender = spawn("nsenter", [`--net=${container.path}`, process.execPath, "-e", script], { stdio: "inherit" });
}

/** IPv4 packets that got as far as the host's stack. */
function received(): number {
  const [names = [], values = []] = host
    .inside(() => readFileSync("/proc/thread-self/net/snmp", "utf8"))
    .split("\n")
    .filter((line) => line.startsWith("Ip: "))
    .map((line) => line.split(" "));
  return Number(values[names.indexOf("InReceives")]);
}

/** Packets that arrived at the interface. */
function arrived(): number {
  const [link] = JSON.parse(host.ip("-j", "-s", "link", "show", "dp0")) as [{ stats64: { rx: { packets: number } } }];
  return link.stats64.rx.packets;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(5);
}

const SWAPS = 300;

test.each(["tcx", "clsact"] as const)(
  "by %s, not one packet gets past the guard",
  async (mechanism) => {
    const load = (): Objects => loadBpf({ pinRoot: bpffs.path, mechanism });
    using first = load();
    using second = load();
    const attach = (objects: Objects) => {
      const dp0 = readInterface("dp0");
      return [objects.attachments.attach("arp", dp0), objects.attachments.attach("snat", dp0)];
    };
    host.inside(() => attach(first));
    const before = received();
    startSending();
    await until(() => arrived() > 100);

    const atStart = arrived();
    for (let swap = 0; swap < SWAPS; swap++) {
      expect(host.inside(() => attach(swap % 2 === 0 ? second : first))).toEqual(["updated", "updated"]);
      // Its answer comes while packets do.
      if (swap % 10 === 0) await Bun.sleep(1);
    }
    await until(() => arrived() > atStart + SWAPS);
    expect(received()).toBe(before);

    // Without the guard they do get there.
    host.inside(() => second.attachments.detach("snat", "dp0"));
    await until(() => received() > before);
  },
  60_000,
);
