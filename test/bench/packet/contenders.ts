/**
 * The programs and the packets they are measured with, on the host of the packet tests: two servers, with their
 * interfaces in a network namespace (test/kit/program-runner.ts).
 */
import { DpFamily } from "@dp/bpf";
import { u32 } from "@dp/core/libbpf";
import { arp, ethernet, ipv4, type Layer, Protocol, tcp, udp } from "@dp/test-kit/frame.ts";
import { ProgramRunner, type Verdict } from "@dp/test-kit/program-runner.ts";
import { A, B, CONFIG, HOST_PEER_MAC, PUBLIC_ADDRESS, UPLINK } from "@dp/test-kit/two-servers.ts";
import { type Forward, forwardOf } from "@dp/test-kit/write-server.ts";

export interface Contender {
  readonly name: string;
  readonly runner: ProgramRunner;
  readonly program: string;
  /** The interface on whose hook it runs. */
  readonly ifindex: number;
  readonly packet: Uint8Array;
  readonly verdict: Verdict;
}

const PLAYER = "198.51.100.7";
const WEB = "192.0.2.80";
/** A's container peer: see the drawing. */
const CONTAINER_PEER = 21;
/** The size of a Minecraft packet. */
const DATA = new Uint8Array(64);

const arriving = (layer: Layer, dst = PUBLIC_ADDRESS) =>
  ethernet({ dst: UPLINK.mac, src: "02:aa:00:00:00:99" }, ipv4({ src: PLAYER, dst }, layer));
const leaving = (layer: Layer, dst: string) =>
  ethernet({ dst: HOST_PEER_MAC, src: A.mac }, ipv4({ src: A.address, dst }, layer));
const answering = (layer: Layer) =>
  ethernet({ dst: A.mac, src: HOST_PEER_MAC }, ipv4({ src: A.gateway, dst: A.address }, layer));

const REPLY = leaving(tcp({ src: A.containerPort, dst: 40000, flags: "PA" }, DATA), PLAYER);
const OPENED = { src: 41000, dst: 443 };

/** Opens the programs; `stack` closes them. */
export async function contenders(stack: DisposableStack): Promise<Contender[]> {
  const dnat = stack.use(await ProgramRunner.open("dnat"));
  const snat = stack.use(
    await ProgramRunner.open("snat", {
      prepare: (object) => {
        // The default. Packet tests set it so that every address is a player; then the verifier removes the check.
        object.setVariable("dp_player_steps", u32, 550);
        // dp_dnat notes the player, and dp_snat looks for it.
        object.map("dp_players").reuse(dnat.lend("dp_players"));
      },
    }),
  );
  snat.writeServer(B, { forwards: manyForwards() });
  for (const { port: dst } of [A, B]) dnat.runUncounted(arriving(tcp({ src: 40000, dst, flags: "PA" }, DATA)));
  // The player of B's reply.
  dnat.runUncounted(arriving(tcp({ src: 40000, dst: B.port, flags: "S" })));
  // The proxy has accepted it.
  snat.set(
    "dp_origins",
    { server: A.id, sport: OPENED.src, protocol: Protocol.tcp, family: DpFamily.ipv4 },
    { dst: WEB, dport: OPENED.dst, sport: OPENED.src, listener: CONFIG.tcpPort, end: 0, expires: 0n },
  );
  const arpRunner = stack.use(await ProgramRunner.open("arp"));
  const tproxy = stack.use(await ProgramRunner.open("tproxy", { program: "dp_tproxy_container" }));
  establish(tproxy);

  const onUplink = { runner: dnat, program: "dp_dnat", ifindex: UPLINK.index };
  const onHostPeer = { runner: snat, program: "dp_snat", ifindex: A.hostPeer };
  const arping = { runner: arpRunner, program: "dp_arp", ifindex: A.hostPeer };
  const inContainer = { runner: tproxy, program: "dp_tproxy_container", ifindex: CONTAINER_PEER };
  const toContainer = { runner: tproxy, program: "dp_tproxy_host", ifindex: A.hostPeer };
  return [
    {
      name: "dp_dnat: a player's packet",
      ...onUplink,
      packet: arriving(tcp({ src: 40000, dst: A.port, flags: "PA" }, DATA)),
      verdict: "redirect",
    },
    {
      name: "dp_dnat: TCP of no server",
      ...onUplink,
      packet: arriving(tcp({ src: 40000, dst: 22, flags: "PA" }, DATA)),
      verdict: "next",
    },
    {
      name: "dp_dnat: UDP of no server",
      ...onUplink,
      packet: arriving(udp({ src: 40000, dst: A.port }, DATA)),
      verdict: "next",
    },
    { name: "dp_snat: a reply to a player", ...onHostPeer, packet: REPLY, verdict: "redirect" },
    {
      name: "dp_snat: a reply of the last of 32 forwards",
      ...onHostPeer,
      ifindex: B.hostPeer,
      packet: ethernet(
        { dst: HOST_PEER_MAC, src: B.mac },
        ipv4({ src: B.address, dst: PLAYER }, tcp({ src: B.containerPort, dst: 40000, flags: "PA" }, DATA)),
      ),
      verdict: "redirect",
    },
    {
      name: "dp_snat: to the proxy",
      ...onHostPeer,
      packet: leaving(tcp({ src: OPENED.src, dst: CONFIG.tcpPort, flags: "PA" }, DATA), A.gateway),
      verdict: "pass",
    },
    {
      name: "dp_snat: UDP, dropped",
      ...onHostPeer,
      packet: leaving(udp({ src: 40000, dst: 123 }, DATA), WEB),
      verdict: "drop",
    },
    {
      name: "dp_arp: a request, answered",
      ...arping,
      packet: ethernet(
        { dst: "ff:ff:ff:ff:ff:ff", src: A.mac },
        arp({ senderMac: A.mac, senderAddress: A.address, targetAddress: A.gateway }),
      ),
      verdict: "redirect",
    },
    { name: "dp_arp: not ARP", ...arping, packet: REPLY, verdict: "next" },
    {
      name: "dp_tproxy_container: of a flow",
      ...inContainer,
      packet: leaving(tcp({ ...OPENED, flags: "PA" }, DATA), WEB),
      verdict: "next",
    },
    { name: "dp_tproxy_container: a reply to a player", ...inContainer, packet: REPLY, verdict: "next" },
    {
      name: "dp_tproxy_host: of a flow",
      ...toContainer,
      packet: answering(tcp({ src: CONFIG.tcpPort, dst: OPENED.src, flags: "PA" }, DATA)),
      verdict: "next",
    },
    {
      name: "dp_tproxy_host: of no flow",
      ...toContainer,
      packet: answering(tcp({ src: 50000, dst: A.containerPort, flags: "PA" }, DATA)),
      verdict: "next",
    },
  ];
}

/** 32 forwards of server B; the last is the forward that the packet belongs to. */
function manyForwards(): Forward[] {
  const others = Array.from({ length: 31 }, (_, index) =>
    forwardOf(B, { port: 30000 + index, containerPort: 30000 + index }),
  );
  return [...others, forwardOf(B)];
}

/** A flow to the web server that the proxy has accepted. */
function establish(tproxy: ProgramRunner): void {
  tproxy.runUncounted(leaving(tcp({ ...OPENED, flags: "S" }), WEB), { ifindex: CONTAINER_PEER });
  const flows = tproxy.entries("dp_origins");
  if (flows.length !== 1) throw new Error("the container's SYN opened no flow");
  for (const [key, origin] of flows) tproxy.set("dp_origins", key, { ...origin, expires: 0n });
}
