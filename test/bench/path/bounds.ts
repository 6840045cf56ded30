import { short } from "../report/numbers.ts";
import type { Figure } from "../statistics.ts";
import type { Contender } from "./contender.ts";
import { datapath } from "./datapath.ts";
import { haproxy } from "./haproxy.ts";
import { nftMap, routing, wire } from "./kernel.ts";

/** What bounds the path of a player, from the figures. */
export function bounds(figures: (contender: Contender, what: string) => Figure): string {
  const request = (contender: Contender) => figures(contender, "requests.p50").value;
  const connection = (contender: Contender) => 1e6 / figures(contender, "connections.rate").value;
  const over = (time: (contender: Contender) => number, contender: Contender) =>
    `${short(Math.max(0, time(contender) - time(wire)))} µs`;
  return `
Everything runs on one processor, which is never idle: a figure is the reciprocal of the processor time that one
request, connection or byte takes in all processes and in the kernel. Without a host, with client and server alone, a
request takes ${short(request(wire))} µs and a connection ${short(connection(wire))} µs: the TCP stacks and system calls
of both ends, which are the same for all contenders. The rest is the host's:

| more than without a host | a request | a connection |
| --- | ---: | ---: |
${[routing, nftMap, haproxy, datapath]
  .map((each) => `| ${each.name} | ${over(request, each)} | ${over(connection, each)} |`)
  .join("\n")}

- **datapath**: the programs take about 0.1 µs for a packet in each direction (see [packet](packet.md)). A request is
  two packets, a connection eight, so the programs are a small part. The rest is the second veth pair. Towards the
  container it costs little: \`bpf_redirect_peer\` hands the packet to the container's interface without a queue. A
  reply is queued twice, at the host peer and at the uplink; \`bpf_redirect_neigh\` looks up route and neighbour in
  between. Sampled by hand (cpu-clock, 20,000 times a second, Linux 6.18), a request takes, in both directions together,
  0.2 µs in the programs, 0.1 in hash look-ups, 0.25 in the redirects with route and neighbour, and 0.25 in copies of
  headers. The headers are copied because TCP on the same machine keeps the packets it sent, which must not be written
  to. Routing copies them, too. Packets that arrive by a network card are not copied.
- **routing** takes as long for a reply. Towards the container, a packet passes the host's IP layer and is queued once
  more.
- **nftables** needs, in addition to routing, a conntrack entry for each connection and a look-up of it for each packet.
  With a rule for each port, and in portmap's chains, the first packet of a connection passes half of all rules on
  average: so connections per second fall with the number of ports. Later packets pass no rules.
- **haproxy** copies every byte to user space and back, over a second connection.
- **Throughput** is bound by the two ends, which copy every byte. Packets have 64 KiB here, so the cost of each packet
  does not show. With packets of 1500 bytes from a network card it would: for these see [packet](packet.md).

The number of ports does not matter to datapath: an endpoint is found by one hash look-up. \`nftables\` with a flow
table (software offload) is not compared: the kernel of this machine lacks it.
`;
}
