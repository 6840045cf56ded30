import type { ServerPart } from "./part.ts";

/** Sets the container's loopback up: servers expect 127.0.0.1 to work. It stays up when the server is removed. */
export const containerLoopback: ServerPart = {
  name: "container loopback",
  add({ inside }) {
    const loopback = inside.link("lo");
    if (loopback === undefined || loopback.up) return undefined;
    inside.setLink(loopback.index, { up: true });
    return () => inside.setLink(loopback.index, { up: false });
  },
};
