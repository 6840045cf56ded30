import { short } from "../report/numbers.ts";

/** What bounds a packet's cost. @param own nanoseconds of a program, without the test run's loop */
export function bounds(own: (name: string) => number): string {
  const ns = (value: number) => `${short(Math.round(Math.max(0, value)))} ns`;
  const [udpOfNoServer, tcpOfNoServer] = [own("dp_dnat: UDP of no server"), own("dp_dnat: TCP of no server")];
  const [player, bare] = [own("dp_dnat: a player's packet"), own("bpf_redirect_peer alone")];
  const [left, flow] = [own("dp_tproxy_container: a reply to a player"), own("dp_tproxy_container: of a flow")];
  return `
Rows of one program that stop at different places are its profile. Without the test run's own loop:

| \`dp_dnat\` | |
| --- | ---: |
| reads Ethernet and IPv4 headers, and sees that it is not TCP | ${ns(udpOfNoServer)} |
| reads the TCP header, and looks up address and port (per-CPU hash) | ${ns(tcpOfNoServer - udpOfNoServer)} |
| the container's interface (a second hash), the sender's slot among the players, MAC, address, port, both checksums, counters | ${ns(player - tcpOfNoServer - bare)} |
| \`bpf_redirect_peer\` | ${ns(bare)} |

- Hash look-ups are most of it: two in \`dp_dnat\`, two in \`dp_snat\` (the server by its interface, the uplink), two
  in \`dp_tproxy_container\` (the container, the flow: ${ns(left)} and ${ns(flow - left)} with all that is done then),
  one in \`dp_tproxy_host\`. The configuration is an array of one entry, and the players' table an array: the verifier
  makes loads of them. Counting costs no look-up: the counters are beside what was looked up, one copy per CPU.
- The second look-up of \`dp_dnat\` and \`dp_snat\` keeps packets from an interface that has been replaced
  ([ADR 9](../adr/0009-interfaces-by-devmap.md)). The index could be had without it, the certainty not.
- Checksums are brought up to date in place, without a helper call, where TCX is (Linux 6.6). Older kernels call
  \`bpf_l4_csum_replace\` for the address and for each port: about 15 ns each.
- A reply passes three programs: \`dp_tproxy_container\` leaves it alone, \`dp_arp\` does too (less than can be
  measured), and \`dp_snat\` sends it.
- A drop costs a look-up of its counter.
`;
}
