// Run by node.test.ts: `node --expose-gc under-node.mjs BPFFS IFINDEX < packet.o`, in a network namespace.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { loadBpf, openPinned, readInterface } from "@dp/core";
import { attachTcx, BpfObject, queryTcx, u32, u64 } from "@dp/core/libbpf";

const [bpffs, ifindex] = process.argv.slice(2);
const image = new Uint8Array(readFileSync(0));
const errors = [];
const attempt = (body) => {
  try {
    body();
  } catch (error) {
    errors.push(error.name);
  }
};

const open = BpfObject.open(image, { name: "packet" });
open.setVariable("verdict", u32, 2);
open.map("numbers").setMaxEntries(100);
const object = open.load();
const numbers = object.map("numbers", u32, u64);
for (let key = 0; key < 100; key++) {
  numbers.set(key, BigInt(key));
  if (key % 10 === 0) globalThis.gc();
}
const entries = [...numbers].filter(([key, value]) => BigInt(key) === value).length;
const { retval } = object.program("count_hits").testRun({ data: new Uint8Array(64) });
object.setVariable("runs", u32, 40);
object.program("count_hits").testRun({ data: new Uint8Array(64) });
const runs = object.variable("runs", u32);
attempt(() => BpfObject.open(new Uint8Array(100), { name: "bad" }));
attempt(() => numbers.set(1000, 0n));
attempt(() => openPinned({ pinRoot: bpffs }));

const link = attachTcx({ program: object.program("pass_on"), ifindex: Number(ifindex), direction: "ingress" });
const chain = queryTcx(Number(ifindex), "ingress").entries.length;
link.close();

const datapath = loadBpf({ pinRoot: bpffs });
datapath.attachAndPinDnat(readInterface("dp0"));
const attachments = datapath.attachments.all().map(({ program, iface }) => `${program} ${iface}`);
const record = datapath.getNetData(1);
datapath.unpinAll();
datapath.close();
object.close();
globalThis.gc();

const leaked = readdirSync("/proc/self/fd").flatMap((number) => {
  try {
    const file = readlinkSync(`/proc/self/fd/${number}`);
    return /bpf/.test(file) ? [file] : [];
  } catch {
    return [];
  }
});
console.log(JSON.stringify({ retval, runs, entries, errors, chain, attachments, record, leaked }));
