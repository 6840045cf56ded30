/**
 * The command line of datapath, to be run inside another program.
 *
 * @module @dp/cli
 */
export type { DpContext } from "./context.ts";
export { run } from "./run.ts";
export { version } from "./version.ts";
