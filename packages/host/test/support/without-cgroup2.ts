/** Loads where no cgroup2 is mounted, and prints what came of it: `without-cgroup2.ts PIN_ROOT`. */
import { DatapathError } from "@dp/sys";
import { load } from "../../src/index.ts";

const error = await load({ pinRoot: process.argv[2] }).then(
  () => undefined,
  (reason: unknown) => reason,
);
if (error !== undefined && !(error instanceof DatapathError)) throw error;
console.log(JSON.stringify({ code: error?.code, reason: error?.reason, hint: error?.hint }));
