import type { Topic } from "../attempt.ts";
import { addresses } from "./addresses.ts";
import { ipFragments, ipOptions, malformed, timeToLive } from "./ip-header.ts";
import { ipv6Packets } from "./ipv6.ts";
import { arpPackets, macAddresses, otherEtherTypes, vlanTags } from "./link-layer.ts";
import { offloads } from "./offload.ts";
import { controlMessages, datagrams, otherProtocols } from "./protocols.ts";
import { gamePort, otherContainers, otherTcp } from "./tcp.ts";

/** Everything that a single packet socket in the container can try. */
export const TOPICS: readonly Topic[] = [
  gamePort,
  otherTcp,
  otherContainers,
  addresses,
  ipOptions,
  ipFragments,
  malformed,
  timeToLive,
  ipv6Packets,
  controlMessages,
  datagrams,
  otherProtocols,
  macAddresses,
  arpPackets,
  vlanTags,
  otherEtherTypes,
  offloads,
];
