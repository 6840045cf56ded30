import { short } from "../report/numbers.ts";
import type { Figure } from "../statistics.ts";
import type { Contender } from "./contender.ts";
import { noProxy, PAIRS } from "./contenders.ts";

/** What bounds the connections of containers, from the figures. */
export function bounds(figureOf: (contender: Contender, figure: string) => Figure): string {
  const connection = (contender: Contender) => 1e6 / figureOf(contender, "connections.rate").value;
  const row = (contender: Contender) => {
    const over = short(Math.max(0, connection(contender) - connection(noProxy)));
    return `| ${contender.name} | ${short(connection(contender))} µs | ${over} µs |`;
  };
  return `
| | a connection | more than without a proxy |
| --- | ---: | ---: |
${[noProxy, ...PAIRS.flatMap(({ nftables, datapath }) => [nftables, datapath])].map(row).join("\n")}

Most of the time is the proxy's: it sets up a second connection, receives and sends every byte again, and writes a line
of the log. The redirect is a small part. nftables makes a conntrack entry and looks it up for each packet;
\`dp_tproxy_container\` and \`dp_tproxy_host\` make an entry in the table of flows and look it up likewise. Both answer
\`SO_ORIGINAL_DST\`.

Behind nftables, \`dp proxy\` takes all connections for one server's. Behind dp it asks the maps twice for each
connection: which server opened it, for the log and that server's limits, and whether it goes to the container of
another server, which is refused. The answers are not cached, so that they are never of a removed server. Without these
look-ups (tried by hand) it takes 1.05 times as many connections as behind nftables, as haproxy does.

Of haproxy's processor time at full throughput (\`perf record\`), all programs of datapath together are 3 %. The rest is
TCP, IP, interfaces and copies of the data.

Receivers have a buffer of 4 MiB from the first byte on. By default the kernel chooses the size by the bytes that arrive
within a round trip, which takes 20 µs here and depends on the scheduler: haproxy, which reads 16 KiB at a time, had 128
KiB on some connections and 3 MiB on others, and the throughput of every contender varied by a third.
`;
}
