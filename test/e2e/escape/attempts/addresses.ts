import { tcp, udp } from "@dp/test-kit/frame.ts";
import type { Attempt, Topic } from "../attempt.ts";
import { ip, ping, reply } from "../frame.ts";
import type { Ground } from "../world.ts";

const SOURCES: Readonly<Record<string, (ground: Ground) => string>> = {
  "a friend's address": ({ friend }) => friend,
  "a stranger's address": ({ stranger }) => stranger,
  "an address that no container has": () => "10.2.0.99",
  "its gateway's address": ({ gateway }) => gateway,
  "another host peer's address": ({ otherGateway }) => otherGateway,
  "the host's public address": ({ host }) => host,
  "a player's address": ({ player }) => player,
  "a neighbour's address": ({ neighbour }) => neighbour,
  "an address on the internet": () => "192.0.2.1",
  "0.0.0.0": () => "0.0.0.0",
  loopback: () => "127.0.0.1",
  "a link-local address": () => "169.254.169.254",
  "a multicast address": () => "224.0.0.1",
  broadcast: () => "255.255.255.255",
};

const spoofed = { drops: { spoofedAddress: 1 } };

const fromEach: Attempt[] = Object.entries(SOURCES).map(([name, src]) => ({
  name: `a reply to a player from ${name}`,
  frames: (ground, mark) => [reply(ground, mark, { src: src(ground) })],
  ...spoofed,
}));

export const addresses: Topic = {
  title: "Spoofed source addresses",
  attempts: [
    ...fromEach,
    {
      name: "a ping to the gateway from a friend's address",
      frames: (ground, mark) => [ping(ground, mark, ground.gateway, { src: ground.friend })],
      ...spoofed,
    },
    {
      name: "a connection to the internet from a stranger's address",
      frames: (ground, mark) => [
        ip(ground, { src: ground.stranger, dst: "192.0.2.1" }, tcp({ src: 40_000, dst: 80, flags: "S" }, mark)),
      ],
      ...spoofed,
    },
    {
      name: "a DNS query from a stranger's address",
      frames: (ground, mark) => [
        ip(ground, { src: ground.stranger, dst: "192.0.2.53" }, udp({ src: 40_000, dst: 53 }, mark)),
      ],
      ...spoofed,
    },
    {
      name: "a connection to a friend's container port from the address of a third",
      frames: (ground, mark) => [
        ip(ground, { src: "10.2.0.99", dst: ground.friend }, tcp({ src: 40_000, dst: 25565, flags: "S" }, mark)),
      ],
      ...spoofed,
    },
    {
      name: "a DHCP discovery",
      frames: (ground, mark) => [
        ip(ground, { src: "0.0.0.0", dst: "255.255.255.255" }, udp({ src: 68, dst: 67 }, mark), {
          dst: "ff:ff:ff:ff:ff:ff",
        }),
      ],
      ...spoofed,
    },
  ],
};
