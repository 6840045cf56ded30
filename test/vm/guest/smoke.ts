/** Runs the cases, and tells each one's result on a line of its own; at the end, what programs cost the verifier. */
import { CASES } from "./cases.ts";
import { tell } from "./result.ts";
import { World } from "./world.ts";

// This runs in dp's own runtime, which the variable asked for; dp itself is to be dp again.
delete process.env["BUN_BE_BUN"];

await using world = await World.create();
for (const { name, run } of CASES) {
  const start = performance.now();
  const seconds = () => Math.round((performance.now() - start) / 100) / 10;
  try {
    const note = await run(world);
    tell({ case: name, passed: true, seconds: seconds(), note: note ?? "" });
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    tell({ case: name, passed: false, seconds: seconds(), note: reason });
  }
}
await import("./verifier.ts");
