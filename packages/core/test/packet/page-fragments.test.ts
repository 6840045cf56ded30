/**
 * Packets whose headers the kernel does not keep in one piece: only some first bytes are where a program reads
 * directly, the rest lies in pages (a "non-linear" packet). Drivers deliver such; test runs cannot make them. So these
 * are really sent, through a packet socket that is told how many bytes the headers have:
 *
 *        socket ── player ══ uplink, dp_dnat        socket ── in-a ══ peer-a, dp_snat or dp_arp
 *
 * What a program did with them is seen in its counters, and dp_arp's answer at the other end.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ObjectName } from "@dp/bpf";
import { bindSocket, Errno, type Fd, receive, send, setSocketOption, socket, SyscallError } from "@dp/sys";
import { arp, ethernet, EtherType, ipv4, join, MAXIMUM_OPTIONS, padded, tcp, udp } from "@dp/test-kit/frame.ts";
import { openBpfDescriptors } from "@dp/test-kit/open-descriptors.ts";
import { type Counts, difference } from "@dp/test-kit/packet-counts.ts";
import { ProgramRunner } from "@dp/test-kit/program-runner.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { A, HOST_PEER_MAC, PUBLIC_ADDRESS, UPLINK } from "@dp/test-kit/two-servers.ts";
import { dropped, into, outOf } from "./table.ts";

requireRoot();

let before: string[];
beforeEach(() => {
  before = openBpfDescriptors();
});
afterEach(() => expect(openBpfDescriptors()).toEqual(before));

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOL_PACKET = 263;
const PACKET_VNET_HDR = 15;
const MSG_DONTWAIT = 0x40;

/** The other ends of the uplink's and of A's veth pair; see runner.ts. */
const PLAYER_IFINDEX = 11;
const CONTAINER_IFINDEX = 21;

/** A packet socket on an interface; of `etherType` it hears what comes in, of 0 nothing. */
function packetSocket(runner: ProgramRunner, ifindex: number, etherType: number): Fd {
  const fd = runner.inside(() => socket(AF_PACKET, SOCK_RAW, 0));
  // struct sockaddr_ll (packet(7)).
  const address = new DataView(new ArrayBuffer(20));
  address.setUint16(0, AF_PACKET, true);
  address.setUint16(2, etherType);
  address.setInt32(4, ifindex, true);
  bindSocket(fd, new Uint8Array(address.buffer));
  return fd;
}

/** Packets below a page are never split. */
const LENGTH = 5000;

/** The least the kernel keeps in one piece: an Ethernet header. */
const ETHERNET = 14;

/** Sends a frame of which only the first `head` bytes are in one piece. */
function sendSplit(runner: ProgramRunner, ifindex: number, frame: Uint8Array, head: number): void {
  using fd = packetSocket(runner, ifindex, 0);
  setSocketOption(fd, SOL_PACKET, PACKET_VNET_HDR, Uint8Array.of(1, 0, 0, 0), "describe packets to the socket");
  // struct virtio_net_hdr: no flags, no segmentation, the length of the headers.
  const description = Uint8Array.of(0, 0, head, 0, 0, 0, 0, 0, 0, 0);
  send(fd, join(description, padded(frame, LENGTH)), "send a packet in pieces");
}

/** Packets arrive a little after they were sent. */
async function eventually<T>(read: () => T | undefined): Promise<T> {
  const deadline = performance.now() + 5000;
  for (;;) {
    const value = read();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error("nothing happened for 5 s");
    await sleep(5);
  }
}

/** Sends a frame to a program on its hook, and gives what it counted. */
async function counted(name: ObjectName, ifindex: number, frame: Uint8Array, head = ETHERNET): Promise<Counts> {
  using runner = await ProgramRunner.open(name);
  runner.attach();
  const start = runner.counts();
  sendSplit(runner, ifindex, frame, head);
  return eventually(() => {
    const counts = difference(start, runner.counts());
    return Object.keys(counts).length > 0 ? counts : undefined;
  });
}

const HEADERS = [
  [ETHERNET, new Uint8Array(0)],
  [ETHERNET + 20 + 19, new Uint8Array(0)],
  [ETHERNET + 20 + 20, new Uint8Array(0)],
  [ETHERNET, MAXIMUM_OPTIONS],
  [ETHERNET + 20, MAXIMUM_OPTIONS],
  [ETHERNET + 20 + 20, MAXIMUM_OPTIONS],
  [ETHERNET + 60 + 19, MAXIMUM_OPTIONS],
] as const;

for (const [head, options] of HEADERS) {
  const headers = `headers of ${ETHERNET + 20 + options.byteLength + 20} bytes, ${head} of them in one piece`;

  test(`dp_dnat finds ${headers}`, async () => {
    const frame = ethernet(
      { dst: UPLINK.mac, src: "02:bb:00:00:00:01" },
      ipv4({ src: "198.51.100.7", dst: PUBLIC_ADDRESS, options }, tcp({ src: 40000, dst: A.port }, "hello")),
    );
    expect(await counted("dnat", PLAYER_IFINDEX, frame, head)).toEqual(into(A)(LENGTH));
  });

  test(`dp_snat finds ${headers}`, async () => {
    const frame = ethernet(
      { dst: HOST_PEER_MAC, src: A.mac },
      ipv4({ src: A.address, dst: "198.51.100.7", options }, tcp({ src: A.containerPort, dst: 40000 }, "hello")),
    );
    expect(await counted("snat", CONTAINER_IFINDEX, frame, head)).toEqual(outOf(A)(LENGTH));
  });
}

test("dp_snat judges what it finds there", async () => {
  const frame = ethernet(
    { dst: HOST_PEER_MAC, src: A.mac },
    ipv4({ src: A.address, dst: "198.51.100.7" }, udp({ src: 40000, dst: 53 }, "query")),
  );
  expect(await counted("snat", CONTAINER_IFINDEX, frame)).toEqual(dropped(A.id, "udp")(LENGTH));
});

test("dp_arp finds the question, and its answer comes back", async () => {
  using runner = await ProgramRunner.open("arp");
  runner.attach();
  using listener = packetSocket(runner, CONTAINER_IFINDEX, EtherType.arp);
  const question = arp({ senderMac: A.mac, senderAddress: A.address, targetAddress: A.gateway });
  sendSplit(runner, CONTAINER_IFINDEX, ethernet({ dst: "ff:ff:ff:ff:ff:ff", src: A.mac }, question), ETHERNET);
  const received = await eventually(() => {
    const buffer = new Uint8Array(2 * LENGTH);
    try {
      return buffer.subarray(0, receive(listener, buffer, MSG_DONTWAIT, "hear the answer"));
    } catch (error) {
      if (error instanceof SyscallError && error.errno === Errno.EAGAIN) return undefined;
      throw error;
    }
  });
  const answer = arp({
    operation: 2,
    senderMac: HOST_PEER_MAC,
    senderAddress: A.gateway,
    targetMac: A.mac,
    targetAddress: A.address,
  });
  expect(join(received)).toEqual(padded(ethernet({ dst: A.mac, src: HOST_PEER_MAC }, answer), LENGTH));
});
