/** Why packets of a container were dropped, in words. A reason that is not here is shown by its name. */
const REASONS: Readonly<Record<string, string>> = {
  unknownInterface: "from an interface that is no server's",
  truncated: "ends inside a header",
  malformed: "headers that contradict each other",
  vlan: "tagged for a VLAN",
  arp: "ARP for something else than the gateway",
  ipv6: "IPv6",
  notIp: "neither IP nor ARP",
  spoofedMac: "another source MAC than the container's",
  spoofedAddress: "another source address than the container's",
  fragment: "fragments",
  protocol: "neither TCP nor UDP nor ICMP",
  gamePortSyn: "connections opened from the game port",
  destination: "to an address no player has",
  eastWest: "to another container",
  tcp: "TCP past the proxy",
  udp: "UDP past the proxy",
  icmp: "ICMP",
  noFlow: "TCP that continues no connection",
  flows: "more connections at once than a container may have",
  ipOptions: "to the host with IP options",
  gone: "to a container, or by an uplink, whose interface is gone",
  notAPlayer: "to an address that never connected to it",
  around: "to the host, past the programs on the host peer",
  held: "connections opened while an upgrade moved flows (tried again)",
};

export function describeDrop(reason: string): string {
  return REASONS[reason] ?? reason;
}
