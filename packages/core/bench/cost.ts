/**
 * What a packet costs: each program by BPF_PROG_TEST_RUN against one that only redirects, in turns within one run, so
 * that a noisy machine is noisy for all of them. The medians' ratios are the result; nanoseconds are for orientation.
 *
 * A test run does not restore the packet between its repeats. So the targets rewrite a packet to what it already is:
 * the same work, and every repeat hits.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dpConfig, dpDnatTarget, dpPublicKey, dpSnatTarget, objects, u32 } from "@dp/bpf";
import { BpfObject, perCpu, possibleCpus, type Program } from "../src/libbpf/index.ts";

const ROUNDS = 25;
const REPEAT = 200_000;
const LO = 1;
const REDIRECT = 7;

/** A TCP ACK with 64 bytes of data. Both MACs are zero, the loopback interface's: so it is addressed to the host. */
function tcpPacket(source: string, sourcePort: number, destination: string, destinationPort: number): Uint8Array {
  const packet = new Uint8Array(14 + 20 + 20 + 64);
  const view = new DataView(packet.buffer);
  view.setUint16(12, 0x0800);
  view.setUint8(14, 0x45);
  view.setUint16(16, packet.length - 14);
  view.setUint8(22, 64);
  view.setUint8(23, 6);
  packet.set(source.split(".").map(Number), 26);
  packet.set(destination.split(".").map(Number), 30);
  view.setUint16(34, sourcePort);
  view.setUint16(36, destinationPort);
  view.setUint8(46, 0x50);
  view.setUint8(47, 0x10);
  return packet;
}

function compileBaseline(): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), "dp-bench-"));
  try {
    const object = join(directory, "baseline.o");
    const include = `/usr/include/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
    const source = join(import.meta.dirname, "baseline.bpf.c");
    const args = ["-O2", "-g", "-target", "bpf", "-mcpu=v3", `-I${include}`, "-c", source, "-o", object];
    const result = spawnSync("clang", args, { stdio: "inherit" });
    if (result.status !== 0) throw new Error("clang could not compile the baseline");
    return readFileSync(object);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

const container = "10.2.0.2";
const player = "198.51.100.7";
const target = { addr: container, port: 25565, mac: "00:00:00:00:00:00" };

using baseline = BpfObject.open(compileBaseline(), { name: "baseline" }).load();
using dnat = BpfObject.open(objects.dnat(), { name: "dnat" }).load();
const openedSnat = BpfObject.open(objects.snat(), { name: "snat" });
// Whom dp_dnat had a packet from is whom dp_snat lets a reply go to.
openedSnat.map("dp_players").reuse(dnat.map("dp_players", u32, u32));
using snat = openedSnat.load();

const traffic = { packets: 0n, bytes: 0n };
const everyCpu = <T>(value: T): T[] => Array<T>(possibleCpus()).fill(value);

dnat
  .map("dp_dnat_targets", dpPublicKey, perCpu(dpDnatTarget))
  .set({ addr: container, port: 25565 }, everyCpu({ hostPeer: LO, ...target, traffic }));
const config = {
  httpPort: 9080,
  dnsPort: 9053,
  tcpPort: 9111,
  hostSubnet: "10.1.0.0",
  hostMask: "255.255.0.0",
  containerSubnet: "10.2.0.0",
  containerMask: "255.255.0.0",
  portFirst: 25565,
  portLast: 30564,
  publicAddr: "203.0.113.1",
  uplink: LO,
  hostOctets: [0n, 0n, 0n, 0n],
  playerKey: 0x9e3779b97f4a7c15n,
  playersFrom: 0,
  heldUntil: 0n,
};
for (const object of [dnat, snat]) object.map("dp_configs", u32, dpConfig).set(0, config);
const reply = {
  addr: container,
  hostAddr: "10.1.0.2",
  publicAddr: container,
  publicPort: 25565,
  gamePort: 25565,
  uplink: LO,
  group: 0,
  mac: "00:00:00:00:00:00",
  traffic,
};
// Host order: the container's interface is the loopback interface, and so is the uplink.
dnat.map("dp_host_peers", u32, u32).set(0x0a020002, LO);
snat.map("dp_uplinks", u32, u32).set(LO, LO);
snat.map("dp_snat_targets", u32, perCpu(dpSnatTarget)).set(LO, everyCpu(reply));

const contenders: { name: string; program: Program; data: Uint8Array }[] = [
  { name: "redirect only", program: baseline.program("baseline"), data: tcpPacket(player, 40000, container, 25565) },
  { name: "dp_dnat", program: dnat.program("dp_dnat"), data: tcpPacket(player, 40000, container, 25565) },
  { name: "dp_snat", program: snat.program("dp_snat"), data: tcpPacket(container, 25565, player, 40000) },
];

const nanoseconds = contenders.map(() => [] as number[]);
for (let round = 0; round < ROUNDS; round++) {
  for (const [index, { name, program, data }] of contenders.entries()) {
    const result = program.testRun({ data, repeat: REPEAT });
    if (result.retval !== REDIRECT) throw new Error(`${name} did not redirect: verdict ${result.retval}`);
    nanoseconds[index]?.push(result.duration);
  }
}

const base = median(nanoseconds[0] as number[]);
for (const [index, { name }] of contenders.entries()) {
  const value = median(nanoseconds[index] as number[]);
  process.stdout.write(`${name.padEnd(14)} ${String(value).padStart(4)} ns  ${(value / base).toFixed(2)} x\n`);
}
