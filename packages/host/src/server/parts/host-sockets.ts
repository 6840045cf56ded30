import { destroySockets } from "../../kernel/destroy-sockets.ts";
import { addressPairs } from "../addresses.ts";
import type { ServerPart } from "./part.ts";

/**
 * Sockets of the host that are connected to the container: those of the proxy, above all. The next container with its
 * address would otherwise receive what they still send.
 */
export const hostSockets: ServerPart = {
  name: "host sockets",
  remove({ objects, record }) {
    for (const { container } of addressPairs(record)) destroySockets(objects, { address: container });
  },
};
