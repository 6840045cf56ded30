import type { ServerDetails } from "@dp/host";
import { formatPackets } from "./amount.ts";

type DropReason = keyof ServerDetails["drops"];

/** Why packets of a container were dropped, in words. */
const REASONS: Readonly<Record<DropReason, string>> = {
  unknownInterface: "from an interface that is not a server's host peer",
  truncated: "ends inside a header",
  malformed: "headers that contradict each other",
  vlan: "tagged for a VLAN",
  arp: "ARP for another address than the gateway's",
  ipv6: "IPv6",
  notIp: "neither IP nor ARP",
  spoofedMac: "another source MAC than the container's",
  spoofedAddress: "another source address than the container's",
  fragment: "fragments",
  protocol: "neither TCP nor UDP nor ICMP",
  forwardSyn: "connections opened from a forward's container port",
  destination: "to an address that no player can have",
  eastWest: "to another container",
  tcp: "TCP past the proxy",
  udp: "UDP past the proxy",
  icmp: "ICMP",
  noFlow: "TCP that continues no flow",
  flows: "more flows at once than a server may have",
  ipOptions: "to the host with IP options",
  notAPlayer: "to an address that is not a player of the server",
  bypass: "to the host, past the programs on the host peer",
  held: "connections opened while an upgrade moved flows (the sender tries again)",
  gone: "to a container, or by an uplink, whose interface is gone",
  segments: "segments longer than the next interface's MTU, or too many in one packet",
  rate: "to the proxy: more connections or datagrams per second than a server may send",
};

/** The sum of dropped packets and a line for each reason that has any, as labels and values. */
export function dropFields(drops: Readonly<Partial<Record<DropReason, number>>>): [label: string, value: string][] {
  const dropped = (Object.entries(drops) as [DropReason, number][]).filter(([, packets]) => packets > 0);
  const sum = dropped.reduce((total, [, packets]) => total + packets, 0);
  return [
    ["dropped", formatPackets(sum)],
    ...dropped.map(([reason, packets]): [string, string] => [
      "",
      `${packets.toLocaleString("en")}  ${REASONS[reason]}`,
    ]),
  ];
}
