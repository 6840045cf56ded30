/**
 * Sends frames out of every interface this namespace gets, from the moment it is there until it is gone, as fast as it
 * can. The events, one for each interface it got a frame out of: flooding {ifindex}.
 *
 *     bun escape/flooder.ts FRAME-IN-HEX...
 */
import { send, SyscallError } from "@dp/sys";
import { bindTo, rawSocket } from "../raw/packet-socket.ts";

const frames = process.argv.slice(2).map((hex) => Buffer.from(hex, "hex"));
/** Interfaces are numbered one after the other; lo is the first. */
const LOOK_AHEAD = 8;

const errnoOf = (error: unknown) => (error instanceof SyscallError ? error.errnoName : undefined);

/** undefined when it is not there. */
function socketAt(ifindex: number): ReturnType<typeof rawSocket> | undefined {
  const fd = rawSocket();
  try {
    bindTo(fd, 0, ifindex);
    return fd;
  } catch {
    fd.close();
    return undefined;
  }
}

/** Floods it until it is gone. */
function flood(ifindex: number): boolean {
  using fd = socketAt(ifindex);
  if (fd === undefined) return false;
  for (let told = false; ;) {
    for (const frame of frames) {
      try {
        send(fd, frame, "send a frame");
        if (!told) console.log(JSON.stringify({ event: "flooding", ifindex }));
        told = true;
      } catch (error) {
        // Down, or its own egress drops it.
        if (!["ENETDOWN", "ENOBUFS"].includes(errnoOf(error) ?? "")) return true;
      }
    }
  }
}

console.log(JSON.stringify({ event: "waiting" }));
for (let next = 2; ;) {
  for (let ifindex = next; ifindex < next + LOOK_AHEAD; ifindex++) {
    if (flood(ifindex)) next = ifindex + 1;
  }
}
