// Run by ring-buffer.test.ts: has a pinned program write many records, in bursts that a ring buffer has room for.
import { Program } from "../../src/libbpf/index.ts";

using program = Program.fromPin(process.argv[2] as string);
const data = new Uint8Array(64).fill(5);
for (let burst = 0; burst < 2000; burst++) program.testRun({ data, repeat: 50 });
