/** bpf/arp.bpf.c, rule by rule, at the host peer of server A. See runner.ts for the topology. */
import { expect, test } from "bun:test";
import {
  arp,
  type ArpFields,
  ethernet,
  EtherType,
  type EthernetFields,
  ipv4,
  ipv6,
  join,
  padded,
  raw,
  tcp,
} from "@dp/test-kit/frame.ts";
import { A, B, HOST_PEER_MAC, PUBLIC_ADDRESS, type Server, STRANGER } from "@dp/test-kit/two-servers.ts";
import { runnerFor, type Case, dropped, table } from "./table.ts";

const runner = runnerFor("arp");

const BROADCAST = "ff:ff:ff:ff:ff:ff";

interface Details {
  eth?: Partial<EthernetFields>;
  arp?: Partial<ArpFields>;
}

/** "Who has the gateway's address?", asked by a server's container. */
function question({ eth, arp: fields }: Details = {}, server: Server = A): Uint8Array {
  return ethernet(
    { dst: BROADCAST, src: server.mac, ...eth },
    arp({ senderMac: server.mac, senderAddress: server.address, targetAddress: server.gateway, ...fields }),
  );
}

/** "The gateway's address is at the host peer's MAC." */
function answer(server: Server = A): Uint8Array {
  return ethernet(
    { dst: server.mac, src: HOST_PEER_MAC },
    arp({
      operation: 2,
      senderMac: HOST_PEER_MAC,
      senderAddress: server.gateway,
      targetMac: server.mac,
      targetAddress: server.address,
    }),
  );
}

const answered = (it: string, packet: Uint8Array, more: Partial<Case> = {}): Case => ({
  it,
  packet,
  verdict: "redirect",
  out: answer(),
  ...more,
});

const drop = (it: string, packet: Uint8Array, more: Partial<Case> = {}): Case => ({
  it: `${it} is dropped`,
  packet,
  verdict: "drop",
  counts: dropped(A.id, "arp"),
  ...more,
});

const next = (it: string, packet: Uint8Array, more: Partial<Case> = {}): Case => ({
  it: `${it} goes on to dp_snat`,
  packet,
  verdict: "next",
  ...more,
});

table(
  runner,
  [
    // Rule 4.
    answered("a question for the gateway's MAC is answered", question()),
    answered(
      "a question asked of the gateway alone, to refresh a cache, is answered",
      question({ eth: { dst: HOST_PEER_MAC } }),
    ),
    answered("a question that guesses the answer is answered", question({ arp: { targetMac: HOST_PEER_MAC } })),
    answered("a question with a nonsensical target MAC is answered", question({ arp: { targetMac: BROADCAST } })),
    answered("what the Ethernet adds to a question stays behind the answer", padded(question()), {
      out: padded(answer()),
    }),
    answered("whatever stands behind a question stays behind the answer", join(question(), [1, 2, 3]), {
      out: join(answer(), [1, 2, 3]),
    }),
    answered(
      "a question with another sender's MAC is answered, to the container's own",
      question({ arp: { senderMac: B.mac } }),
    ),
    answered(
      "a question in another's frame is answered, to the container's own MAC",
      question({ eth: { src: B.mac } }),
    ),
    answered("another container's question for its own gateway is answered", question({}, B), {
      run: { ifindex: B.hostPeer },
      out: answer(B),
    }),

    // Rule 5.
    drop("a question for another container's address", question({ arp: { targetAddress: B.address } })),
    drop("a question for another server's gateway", question({ arp: { targetAddress: B.gateway } })),
    drop("a question for the public address", question({ arp: { targetAddress: PUBLIC_ADDRESS } })),
    drop("a question for no address", question({ arp: { targetAddress: "0.0.0.0" } })),
    drop("a question for the broadcast address", question({ arp: { targetAddress: "255.255.255.255" } })),
    drop("a question for the neighbouring address", question({ arp: { targetAddress: "10.1.0.1" } })),
    drop("a probe for the gateway's address (sender 0.0.0.0)", question({ arp: { senderAddress: "0.0.0.0" } })),
    drop(
      "a probe for the container's own address",
      question({ arp: { senderAddress: "0.0.0.0", targetAddress: A.address } }),
    ),
    drop("a gratuitous request for the container's own address", question({ arp: { targetAddress: A.address } })),
    drop("a gratuitous request for the gateway's address", question({ arp: { senderAddress: A.gateway } })),
    drop("a gratuitous reply", question({ arp: { operation: 2, targetAddress: A.address } })),
    drop("a reply that claims the gateway's address", question({ arp: { operation: 2, senderAddress: A.gateway } })),
    drop("a reply to the gateway", question({ arp: { operation: 2, targetMac: HOST_PEER_MAC } })),
    drop("a question from another container's address", question({ arp: { senderAddress: B.address } })),
    drop("a question from the public address", question({ arp: { senderAddress: PUBLIC_ADDRESS } })),
    drop("another container's question, at the wrong peer,", question({}, B)),
    ...[0, 3, 4, 8, 9, 256, 0xffff].map((operation) =>
      drop(`ARP operation ${operation}`, question({ arp: { operation } })),
    ),
    drop("hardware other than Ethernet", question({ arp: { hardwareType: 6 } })),
    drop("an Ethernet type with its bytes the wrong way round", question({ arp: { hardwareType: 0x0100 } })),
    drop("a protocol other than IPv4", question({ arp: { protocolType: EtherType.ipv6 } })),
    drop("a hardware address of another length", question({ arp: { hardwareLength: 8 } })),
    drop("a hardware address of no length", question({ arp: { hardwareLength: 0 } })),
    drop("a protocol address of another length", question({ arp: { protocolLength: 16 } })),

    // Rule 2.
    drop("a question from an interface no server has", question(), {
      run: { ifindex: STRANGER.index },
      counts: dropped(0, "unknownInterface"),
    }),
    drop("a question from a container that was removed", question(), {
      given: (maps) => maps.delete("dp_servers", A.hostPeer),
      counts: dropped(0, "unknownInterface"),
    }),

    // Rule 1.
    next(
      "an IPv4 packet",
      ethernet(
        { dst: HOST_PEER_MAC, src: A.mac },
        ipv4({ src: A.address, dst: "198.51.100.7" }, tcp({ src: 25565, dst: 4 })),
      ),
    ),
    next("IPv6", ethernet({ dst: HOST_PEER_MAC, src: A.mac }, ipv6(tcp({ src: 25565, dst: 4 })))),
    next("a reverse ARP request", question({ arp: { type: EtherType.rarp, operation: 3 } })),
    next("an unknown EtherType, though a question follows it,", question({ eth: { type: 0x88b5 } })),
    next(
      "an 802.3 frame, with a length for a type,",
      ethernet({ dst: BROADCAST, src: A.mac }, raw(28, new Uint8Array(28))),
    ),
    next("a tagged question (the tag beside the frame)", question(), { run: { tag: 100 } }),
    next("a question tagged with a priority alone", question(), { run: { tag: 0xe000 } }),
    next("a question with a tag in its frame", question({ eth: { vlans: [{ tci: 100 }] } })),
    next("what comes from an interface no server has, and is not ARP,", question({ eth: { type: 0x88b5 } }), {
      run: { ifindex: STRANGER.index },
    }),
  ],
  false,
);

// Rule 3.
test("a question cut off at any byte is dropped", () => {
  const whole = question();
  expect(whole.byteLength).toBe(42);
  for (let length = 14; length < whole.byteLength; length++) {
    expect(runner().run(whole, { cutTo: length })).toEqual({
      verdict: "drop",
      packet: whole.subarray(0, length),
      counts: dropped(A.id, "truncated")(length),
    });
  }
});
