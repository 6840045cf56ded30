/** Prints what doctor says, from a process of its own: `doctor.ts PIN_ROOT`. */
import { doctor } from "../../src/index.ts";

console.log(JSON.stringify(await doctor({ pinRoot: process.argv[2] })));
