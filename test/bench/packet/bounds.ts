import { short } from "../report/numbers.ts";

/** What determines a packet's cost. @param own nanoseconds of a program, without the test run's loop */
export function bounds(own: (name: string) => number): string {
  const ns = (value: number) => `${short(Math.round(Math.max(0, value)))} ns`;
  const [noServerUdp, noServerTcp] = [own("dp_dnat: UDP of no server"), own("dp_dnat: TCP of no server")];
  const [player, bare] = [own("dp_dnat: a player's packet"), own("bpf_redirect_peer alone")];
  const [left, flow] = [own("dp_tproxy_container: a reply to a player"), own("dp_tproxy_container: of a flow")];
  const [reply, last] = [own("dp_snat: a reply to a player"), own("dp_snat: a reply of the last of 32 forwards")];
  return `
Rows of one program that stop at different places are its profile. Without the test run's own loop:

| \`dp_dnat\` | |
| --- | ---: |
| reads Ethernet and IPv4 headers, and sees that it is not TCP | ${ns(noServerUdp)} |
| reads the TCP header, and looks up the endpoint (hash, a key of 24 bytes) | ${ns(noServerTcp - noServerUdp)} |
| host peer (an array), the player's slot, MAC, address, port, checksums, counter | ${ns(player - noServerTcp - bare)} |
| \`bpf_redirect_peer\` | ${ns(bare)} |

- Hash look-ups are most of it: one in \`dp_dnat\`, two in \`dp_snat\` (the server by its host peer, the uplink), three
  in \`dp_tproxy_container\` (the container, the server, the flow: ${ns(left)} for the first two and ${ns(flow - left)}
  for the third, with all that follows), two in \`dp_tproxy_host\` (the server, the flow). The configuration, the player
  tables and the counters are arrays: the verifier turns their look-ups into loads (per-CPU ones from Linux 6.10 on).
- The look-ups of host peer and uplink keep packets from an interface that has replaced another
  ([ADR 9](../adr/0009-interfaces-by-devmap.md)).
- Forwards are compared one after the other: of 32, the last costs ${ns(last - reply)} more than the first.
- Checksums are brought up to date in place, without a helper call, where TCX is (Linux 6.6). Older kernels call
  \`bpf_l4_csum_replace\` for the address and for the port: about 15 ns each.
- A reply passes three programs: \`dp_tproxy_container\` leaves it alone, \`dp_arp\` does too (less than can be
  measured), and \`dp_snat\` sends it.
- A drop costs a look-up of its counter.
`;
}
