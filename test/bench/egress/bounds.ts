import { short } from "../report/numbers.ts";
import type { Figure } from "../statistics.ts";
import type { Contender } from "./contender.ts";
import { noProxy, PAIRS } from "./contenders.ts";

/** What bounds the way out, from the figures themselves. */
export function bounds(figureOf: (contender: Contender, figure: string) => Figure): string {
  const connection = (contender: Contender) => 1e6 / figureOf(contender, "connections.rate").value;
  const row = (contender: Contender) => {
    const over = short(Math.max(0, connection(contender) - connection(noProxy)));
    return `| ${contender.name} | ${short(connection(contender))} µs | ${over} µs |`;
  };
  return `
| | a connection | of it on top of none |
| --- | ---: | ---: |
${[noProxy, ...PAIRS.flatMap(({ nftables, datapath }) => [nftables, datapath])].map(row).join("\n")}

The proxy is nearly all of it: a second connection to set up, every byte received and sent again, a line of the log. How a
connection came to it is a small part. nftables enters it into conntrack, and looks that up for each packet;
\`dp_tproxy_container\` and \`dp_tproxy_host\` enter it into a table of flows, and do so, too. To the proxy both answer
\`SO_ORIGINAL_DST\`.

Behind nftables, \`dp proxy\` is told that everything is one server's. Behind dp it asks for each connection: whose it is, which
names it in the log and holds it to that server's limits, and whether it goes to another server's container, which is refused.
These are two look-ups in the kernel's maps, never remembered, so that a server that is gone is gone at once. With answers made
up instead (tried by hand) it takes 1.05 times as many connections as behind nftables, as haproxy does.

Of what haproxy's process took at full throughput (\`perf record\`), all our programs together are 3 %: the rest is TCP, IP,
interfaces, and the copies of the data.

Receivers have a buffer of 4 MiB from the first byte on. Left to itself, the kernel sizes it by what arrives within a round
trip, which here is 20 µs long and decided by who is scheduled when: haproxy, which reads 16 KiB at a time, then had 128 KiB
on some connections and 3 MiB on others, and throughput varied by a third, with every contender.
`;
}
