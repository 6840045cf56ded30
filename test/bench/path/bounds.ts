import { short } from "../report/numbers.ts";
import type { Figure } from "../statistics.ts";
import type { Contender } from "./contender.ts";
import { datapath } from "./datapath.ts";
import { haproxy } from "./haproxy.ts";
import { nftMap, routing, wire } from "./kernel.ts";

/** What bounds the whole path, from the figures themselves. */
export function bounds(figures: (contender: Contender, what: string) => Figure): string {
  const request = (contender: Contender) => figures(contender, "requests.p50").value;
  const connection = (contender: Contender) => 1e6 / figures(contender, "connections.rate").value;
  const over = (time: (contender: Contender) => number, contender: Contender) =>
    `${short(Math.max(0, time(contender) - time(wire)))} µs`;
  return `
Everything runs on one processor, which is never idle: a figure is the reciprocal of what one request, connection or
byte takes from the machine, all processes together. Without a host between, with client and server alone, a request
takes ${short(request(wire))} µs and a connection ${short(connection(wire))} µs: that is the two TCP stacks and the
system calls of both ends, and the same for all contenders. What is left is the path's:

| on top of that | a request | a connection |
| --- | ---: | ---: |
${[routing, nftMap, haproxy, datapath]
  .map((each) => `| ${each.name} | ${over(request, each)} | ${over(connection, each)} |`)
  .join("\n")}

- **datapath**: its programs take about 0.1 µs of a packet in and 0.1 µs of one out (see [packet](packet.md)). A
  request is two packets, a connection eight; so the programs are a small part even of what is on top. The rest is the
  second veth pair. On the way in it costs next to nothing: \`bpf_redirect_peer\` hands a packet to the container's
  interface where it is. A reply is queued twice, at the host peer and out of the uplink, with
  \`bpf_redirect_neigh\`'s look-up of route and neighbour in between. Sampled (the kernel's cpu-clock, 20,000 times a
  second; by hand, on 6.18) a request has over one without a host, in both directions together: 0.2 µs in the
  programs, 0.1 in hash look-ups, 0.25 in the redirects with route and neighbour, and 0.25 in copying headers. The
  copy is of what the same machine has sent, which TCP keeps for another time and which must not be written to; routing makes
  it, too. A network card's packets need none.
- **routing** spends the same on a reply. On the way in a packet goes through the host's IP layer and is queued once
  more.
- **nftables** adds to routing a conntrack entry for each connection, and looks it up for each packet. With a rule per
  port, and in portmap's chains, a new connection's first packet walks half of all rules: that is what falls with the
  ports present. Packets of a connection that is known walk none.
- **haproxy** has every byte cross into user space and back, over a second connection.
- **Throughput** is bound by the ends, which copy every byte: packets are 64 KiB here, and what is done once for each
  of them does not show. It would for packets that a network card has cut to 1500 bytes: there count the figures of a
  packet.

The number of ports has no part in ours: a server is found by one hash look-up. \`nftables\` with a flow table (software
offload) is not compared: this machine's kernel is built without.
`;
}
