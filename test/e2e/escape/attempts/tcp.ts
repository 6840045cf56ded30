import { tcp } from "@dp/test-kit/frame.ts";
import type { Attempt, Topic } from "../attempt.ts";
import { fromGamePort, ip, open, reply } from "../frame.ts";
import { asNumbers, GAME_PORT, type Ground } from "../world.ts";

const SEGMENTS: Readonly<Record<string, string>> = {
  data: "PA",
  "SYN and ACK": "SA",
  ACK: "A",
  RST: "R",
  "RST and ACK": "RA",
  FIN: "FA",
  "FIN alone": "F",
  "no flag at all": "",
  "URG, PSH and FIN": "UPF",
  "every flag": "FSRPAUEC",
};

const STRANGERS: Readonly<Record<string, (ground: Ground) => string>> = {
  "to a host on the uplink's network": ({ neighbour }) => neighbour,
  "to a host on the internet": () => "192.0.2.1",
};

const toStrangers: Attempt[] = Object.entries(STRANGERS).flatMap(([whom, address]) =>
  Object.entries(SEGMENTS).map(([what, flags]) => ({
    name: `${what} from the container port ${whom}`,
    frames: (ground, mark) => [
      fromGamePort(ground, "", { flags, dst: 443, ...asNumbers(mark) }, { dst: address(ground) }),
    ],
    drops: { notAPlayer: 1 },
  })),
);

const OPENINGS: Readonly<Record<string, string>> = {
  "a bare SYN": "S",
  "SYN with data": "SP",
  "SYN and FIN": "SF",
  "SYN and RST": "SR",
  "SYN with every flag but ACK": "FSRPUEC",
};

const WHOM: Readonly<Record<string, (ground: Ground) => string>> = {
  "a player": ({ player }) => player,
  "a host on the internet": () => "192.0.2.1",
  "the host": ({ host }) => host,
};

const openings: Attempt[] = Object.entries(WHOM).flatMap(([whom, address]) =>
  Object.entries(OPENINGS).map(([what, flags]) => ({
    name: `${what} from the container port to ${whom}`,
    frames: (ground, mark) => [
      fromGamePort(ground, flags.includes("P") ? mark : "", { flags, ...asNumbers(mark) }, { dst: address(ground) }),
    ],
    drops: { forwardSyn: 1 },
  })),
);

const INVALID_DESTINATIONS: Readonly<Record<string, (ground: Ground) => string>> = {
  "0.0.0.0": () => "0.0.0.0",
  loopback: () => "127.0.0.1",
  "a multicast group": () => "239.255.255.250",
  "a reserved address": () => "240.0.0.1",
  broadcast: () => "255.255.255.255",
  "another server's host peer": ({ otherGateway }) => otherGateway,
};

const toInvalidDestinations: Attempt[] = Object.entries(INVALID_DESTINATIONS).map(([whom, dst]) => ({
  name: `data from the container port to ${whom}`,
  frames: (ground, mark) => [reply(ground, mark, { dst: dst(ground) })],
  drops: { destination: 1 },
}));

const NO_PLAYERS: Readonly<Record<string, string>> = {
  "the broadcast address of the uplink's network": "203.0.113.255",
  "the uplink's gateway": "203.0.113.1",
  "the cloud's metadata service": "169.254.169.254",
  "a private address": "192.168.1.1",
};

const toNoPlayers: Attempt[] = Object.entries(NO_PLAYERS).map(([whom, dst]) => ({
  name: `data from the container port to ${whom}`,
  frames: (ground, mark) => [reply(ground, mark, { dst })],
  drops: { notAPlayer: 1 },
}));

export const gamePort: Topic = {
  title: "TCP from the container port",
  attempts: [
    {
      name: "data from the container port to a player",
      frames: (ground, mark) => [reply(ground, mark)],
      reaches: ["uplink"],
      because: "it is a reply, and leaves under the public address and port",
    },
    ...toStrangers,
    ...openings,
    ...toInvalidDestinations,
    ...toNoPlayers,
    {
      name: "data from the container port to the host's public address, port 22",
      frames: (ground, mark) => [fromGamePort(ground, mark, { dst: 22, flags: "PA" }, { dst: ground.host })],
      drops: { notAPlayer: 1 },
    },
    {
      name: "data from the container port to another server's public port",
      frames: (ground, mark) => [fromGamePort(ground, mark, { dst: 25571, flags: "PA" }, { dst: ground.host })],
      drops: { notAPlayer: 1 },
    },
    {
      name: "data from the container port to the gateway, port 22",
      frames: (ground, mark) => [fromGamePort(ground, mark, { dst: 22, flags: "PA" }, { dst: ground.gateway })],
      drops: { notAPlayer: 1 },
    },
  ],
};

const redirected = { reaches: ["host"] as const, because: "redirected to the proxy's port on its own gateway" };

const PORTS = [22, 53, 80, 443, 8080, 9080] as const;

const HOSTS: Readonly<Record<string, (ground: Ground) => string>> = {
  "the internet": () => "192.0.2.1",
  "the host's public address": ({ host }) => host,
  "another server's host peer": ({ otherGateway }) => otherGateway,
};

const opened: Attempt[] = Object.entries(HOSTS).flatMap(([whom, address]) =>
  PORTS.map((port) => ({
    name: `a connection to port ${port} of ${whom}`,
    frames: (ground, mark) => [open(ground, mark, address(ground), port)],
    ...redirected,
  })),
);

/** Sockets with PACKET_QDISC_BYPASS: no program of the container's side sees their frames. */
const bypassed: Attempt[] = Object.entries(HOSTS).flatMap(([whom, address]) =>
  PORTS.map((port) => ({
    name: `a connection to port ${port} of ${whom}, past the container's own egress`,
    frames: (ground, mark) => [open(ground, mark, address(ground), port)],
    bypass: true,
    drops: { tcp: 1 },
  })),
);

/** What the host listens on there are the proxy's ports alone. */
const gatewayPorts: Attempt[] = [
  ...[9080, 9053, 9111].map((port) => ({
    name: `a connection to the proxy's own port ${port}`,
    frames: (ground: Ground, mark: string) => [open(ground, mark, ground.gateway, port)],
    drops: { tcp: 1 },
  })),
  ...[1, 22, 53, 80, 443, 9081, 9110, 25565, 25570, 65_535].map((port) => ({
    name: `a connection to port ${port} of the gateway`,
    frames: (ground: Ground, mark: string) => [open(ground, mark, ground.gateway, port)],
    drops: { tcp: 1 },
  })),
];

const continued: Attempt[] = Object.entries({ "SYN and ACK": "SA", data: "PA", ACK: "A", RST: "R", FIN: "FA" }).map(
  ([what, flags]) => ({
    name: `${what} of no connection, to the internet`,
    frames: (ground, mark) => [open(ground, mark, "192.0.2.1", 443, { src: 41_000, flags })],
    drops: { noFlow: 1 },
  }),
);

export const otherTcp: Topic = {
  title: "TCP from other ports",
  attempts: [
    ...opened,
    ...bypassed,
    ...gatewayPorts,
    ...continued,
    {
      name: "a connection to a Minecraft server on the internet",
      frames: (ground, mark) => [open(ground, mark, "192.0.2.1", 25565)],
      drops: { tcp: 1 },
    },
    {
      name: "a connection to a broadcast address",
      frames: (ground, mark) => [open(ground, mark, "255.255.255.255", 80)],
      ...redirected,
    },
    {
      name: "source port 0",
      frames: (ground, mark) => [ip(ground, { dst: ground.gateway }, tcp({ src: 0, dst: 22, flags: "S" }, mark))],
      drops: { tcp: 1 },
    },
    {
      name: "destination port 0 of the gateway",
      frames: (ground, mark) => [open(ground, mark, ground.gateway, 0)],
      drops: { tcp: 1 },
    },
  ],
};

const eastWestPorts: Attempt[] = [22, 80, 9080, 25566].flatMap((port) => [
  {
    name: `a connection to port ${port} of a server of its group`,
    frames: (ground: Ground, mark: string) => [open(ground, mark, ground.friend, port)],
    drops: { eastWest: 1 },
  },
  {
    name: `a connection from the container port to port ${port} of a server of its group`,
    frames: (ground: Ground, mark: string) => [
      fromGamePort(ground, mark, { flags: "S", dst: port }, { dst: ground.friend }),
    ],
    drops: { eastWest: 1 },
  },
]);

const eastWestStrangers: Attempt[] = Object.entries({ "a connection": "S", data: "PA", RST: "R" }).flatMap(
  ([what, flags]) =>
    [GAME_PORT, 22].flatMap((port) =>
      [GAME_PORT, 40_000].map((src) => ({
        name: `${what} from port ${src} to port ${port} of a server of no group`,
        frames: (ground: Ground, mark: string) => [open(ground, mark, ground.stranger, port, { src, flags })],
        drops: { eastWest: 1 },
      })),
    ),
);

export const otherContainers: Topic = {
  title: "TCP to other containers",
  attempts: [
    {
      name: "a connection to the container port of a server of its group",
      frames: (ground, mark) => [open(ground, mark, ground.friend, GAME_PORT)],
      reaches: ["containers"],
      because: "servers of one group reach each other's container port",
    },
    {
      name: "data from the container port to any port of a server of its group",
      frames: (ground, mark) => [fromGamePort(ground, mark, { flags: "PA", dst: 50_000 }, { dst: ground.friend })],
      reaches: ["containers"],
      because: "it is how a connection from there is answered; it opens nothing",
    },
    ...eastWestPorts,
    ...eastWestStrangers,
    {
      name: "a connection to a container address that no container has",
      frames: (ground, mark) => [open(ground, mark, "10.2.0.99", GAME_PORT)],
      drops: { eastWest: 1 },
    },
    {
      name: "a connection to its own address, by way of the host",
      frames: (ground, mark) => [open(ground, mark, ground.self, 22)],
      drops: { eastWest: 1 },
    },
    {
      name: "a connection to the container network's broadcast address",
      frames: (ground, mark) => [open(ground, mark, "10.2.255.255", GAME_PORT)],
      drops: { eastWest: 1 },
    },
  ],
};
