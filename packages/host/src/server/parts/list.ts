import { authority } from "./authority.ts";
import { connectionBlocks } from "./connection-blocks.ts";
import { containerEntry } from "./container-entry.ts";
import { containerLoopback } from "./container-loopback.ts";
import { containerNetwork } from "./container-network.ts";
import { counters } from "./counters.ts";
import { dropCounts } from "./drop-counts.ts";
import { endpoints } from "./endpoints.ts";
import { flows } from "./flows.ts";
import { hostPeerEntry } from "./host-peer-entry.ts";
import { hostPeerNetwork } from "./host-peer-network.ts";
import { hostPeerUp } from "./host-peer-up.ts";
import { hostSockets } from "./host-sockets.ts";
import { mtu } from "./mtu.ts";
import type { ServerPart } from "./part.ts";
import { placement } from "./placement.ts";
import { players } from "./players.ts";
import { containerPeerPrograms, hostPeerPrograms } from "./programs.ts";
import { record, recordActive } from "./record.ts";
import { reservedPorts } from "./reserved-ports.ts";
import { serverEntry } from "./server-entry.ts";
import { vethPair } from "./veth-pair.ts";

/**
 * The parts of a server, in the order in which they are added. Because of this order, no packet passes unchecked while
 * a server is added or removed:
 *
 * - The record is first, so that the next command can undo what a killed one left.
 * - The programs and their entries are there before the host peer goes up.
 * - Sockets to the container are destroyed when none can be added any more, and before its address is free.
 * - The endpoints are opened last, so that players reach a whole server or none.
 */
export const SERVER_PARTS: readonly ServerPart[] = [
  record,
  reservedPorts,
  counters,
  vethPair,
  hostPeerEntry,
  dropCounts,
  players,
  serverEntry,
  containerEntry,
  hostSockets,
  flows,
  ...containerPeerPrograms,
  ...hostPeerPrograms,
  hostPeerNetwork,
  containerLoopback,
  containerNetwork,
  mtu,
  placement,
  authority,
  hostPeerUp,
  recordActive,
  connectionBlocks,
  endpoints,
];
