/**
 * Puts the whole test process into another network namespace, which then is the "host" of the test. Unlike
 * `withNetns` it also holds for asynchronous code; so the way back is the caller's to take, always.
 */
import { createRequire } from "node:module";
import { currentNetns, type Fd, openNetns } from "@dp/sys";

const CLONE_NEWNET = 0x40000000;

const fromSys = createRequire(import.meta.resolve("@dp/sys").replace("file://", ""));
interface Koffi {
  load(library: string): { func(prototype: string): (fd: number, type: number) => number };
}
const setns = (fromSys("koffi") as Koffi).load("libc.so.6").func("int setns(int fd, int nstype)");

function enter(target: Fd): void {
  if (setns(target.number, CLONE_NEWNET) === 0) return;
  process.stderr.write("cannot change the network namespace of the test process; aborting\n");
  process.abort();
}

/** Enters a namespace; disposing goes back. */
export function enterNetns(path: string): Disposable {
  const home = currentNetns();
  using target = openNetns(path);
  enter(target);
  return {
    [Symbol.dispose]() {
      enter(home);
      home.close();
    },
  };
}
