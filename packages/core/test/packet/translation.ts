/**
 * What dp_dnat and dp_snat do alike: one end of a server's TCP packet is replaced. Whatever the packet, nothing else of
 * it changes, and what was right stays right.
 */
import { expect, test } from "bun:test";
import { dissect } from "@dp/test-kit/dissect.ts";
import {
  ethernet,
  type EthernetFields,
  ipv4,
  type Ipv4Fields,
  MAXIMUM_OPTIONS,
  padded,
  RECORD_ROUTE,
  SYN_OPTIONS,
  tcp,
  type TcpFields,
} from "@dp/test-kit/frame.ts";
import type { Counts } from "@dp/test-kit/packet-counts.ts";
import type { ProgramRunner } from "@dp/test-kit/program-runner.ts";
import { table } from "./table.ts";

/** What is different in a packet. */
export interface Details {
  eth?: Partial<EthernetFields>;
  ip?: Partial<Ipv4Fields>;
  tcp?: Partial<TcpFields>;
  data?: string;
}

/** The headers of a packet that is like any other. */
export interface Plain {
  eth: EthernetFields;
  ip: Ipv4Fields;
  tcp: TcpFields;
}

/** The packet with these headers but for the details, with checksums computed from nothing. */
export function packetOf(plain: Plain, details: Details = {}): Uint8Array {
  const segment = tcp({ ...plain.tcp, ...details.tcp }, details.data ?? "hello");
  return ethernet({ ...plain.eth, ...details.eth }, ipv4({ ...plain.ip, ...details.ip }, segment));
}

type Segment = readonly [it: string, details: Details];

const SEGMENTS: readonly Segment[] = [
  ["a bare acknowledgement", { data: "" }],
  ["data", { tcp: { flags: "PA" } }],
  ["data of odd length", { data: "odd" }],
  ["data as long as a packet can carry", { data: "x".repeat(1460) }],
  ["a FIN", { tcp: { flags: "FA" }, data: "" }],
  ["a RST", { tcp: { flags: "R" }, data: "" }],
  ["a segment without any flag", { tcp: { flags: "" } }],
  ["a segment with TCP options", { tcp: { options: SYN_OPTIONS } }],
  ["a packet with IP options", { ip: { options: RECORD_ROUTE } }],
  ["a packet with all the IP options there is room for", { ip: { options: MAXIMUM_OPTIONS } }],
  ["a packet that may not be fragmented", { ip: { dontFragment: true } }],
  ["a packet with another type of service, id and time to live", { ip: { tos: 0xb9, id: 0xfffe, ttl: 1 } }],
];

export interface Translation {
  /** The sentence that a segment's test is named. */
  it: (what: string) => string;
  packet: (details?: Details) => Uint8Array;
  /** The same as it must come out, built anew. */
  translated: (details?: Details) => Uint8Array;
  counts: (length: number) => Counts;
  /** Besides those that either way has. */
  segments: readonly Segment[];
  /** Who gets it. */
  receiver: string;
}

export function translates(runner: () => ProgramRunner, translation: Translation): void {
  const { packet, translated, counts, segments, receiver } = translation;

  table(
    runner,
    [...SEGMENTS, ...segments].map(([it, details]) => ({
      it: translation.it(it),
      packet: packet(details),
      verdict: "redirect",
      out: translated(details),
      counts,
    })),
  );

  table(runner, [
    {
      it: "what the Ethernet adds to a short packet stays behind it",
      packet: padded(packet({ data: "" })),
      verdict: "redirect",
      out: padded(translated({ data: "" })),
      counts,
    },
    {
      it: "a super-packet is translated whole",
      packet: packet({ data: "x".repeat(2920) }),
      run: { gsoSize: 1460, gsoSegs: 2 },
      verdict: "redirect",
      out: translated({ data: "x".repeat(2920) }),
      counts,
    },
    {
      it: "a super-packet too long for the length field, which then is 0, is translated",
      packet: packet({ ip: { totalLength: 0 }, data: "x".repeat(2920) }),
      run: { gsoSize: 1460, gsoSegs: 2 },
      verdict: "redirect",
      out: translated({ ip: { totalLength: 0 }, data: "x".repeat(2920) }),
      counts,
    },
  ]);

  // The program sums up 16-bit words in the host's order: an end of the range in either order.
  test("the IPv4 checksum is right at either end of its range", () => {
    const isAtAnEnd = (value: number) => value < 8 || value > 0xfff7;
    const withId = (id: number): Details => ({ ip: { id }, data: "" });
    const ids = Array.from({ length: 0x10000 }, (_, id) => id).filter((id) => {
      const header = new DataView(translated(withId(id)).buffer);
      return isAtAnEnd(header.getUint16(24)) || isAtAnEnd(header.getUint16(24, true));
    });
    expect(ids.length).toBeGreaterThan(25);
    for (const id of ids) expect(runner().run(packet(withId(id))).packet).toEqual(translated(withId(id)));
  });

  test(`a wrong checksum stays wrong: ${receiver}, not the translation, is to find out`, () => {
    for (const details of [{ ip: { checksum: 0x1111 } }, { tcp: { checksum: 0x1111 } }]) {
      const sent = dissect(packet(details));
      const outcome = runner().run(packet(details));
      const got = dissect(outcome.packet);
      expect(outcome.verdict).toBe("redirect");
      expect(got).toMatchObject({ ipIntact: sent?.ipIntact, tcpIntact: sent?.tcpIntact });
      expect(got?.ipIntact && got.tcpIntact).toBe(false);
    }
  });
}
