import type { Endpoint, HostConfig, ServerRecord, Settings } from "../../src/index.ts";

/** A host. */
export const CONFIG: HostConfig = {
  hostSubnets: { ipv4: "10.1.0.0/16" },
  containerSubnets: { ipv4: "10.2.0.0/16" },
  httpPort: 9080,
  dnsPort: 9053,
  tcpPort: 9111,
};

export const SETTINGS: Settings = {
  portRange: [25565, 30564],
  uplink: 2,
  publicAddresses: { ipv4: "203.0.113.10" },
};

/** A server on it. */
export const LOBBY: ServerRecord = {
  id: 7,
  name: "lobby",
  group: "größe",
  state: "active",
  createdAt: new Date("2026-01-02T03:04:05.678Z"),
  owner: "cli",
  network: "own",
  trusted: false,
  container: { engine: "docker", socket: "", name: "lobby" },
  netns: { cookie: 77n, inode: 4026532000n, path: "/run/netns/lobby" },
  hostPeer: { ifindex: 9, name: "dp7", mac: "7e:90:c4:ed:df:d0" },
  containerPeer: { ifindex: 2, name: "eth0", mac: "0a:58:00:00:00:07" },
  addresses: { ipv4: { container: "10.2.0.2", gateway: "10.1.0.2" } },
  forwards: [
    {
      protocol: "tcp",
      address: "203.0.113.10",
      port: 25570,
      count: 1,
      containerPort: 25565,
      uplink: 2,
      mtu: 1500,
      counter: 3,
    },
  ],
  mtu: 1400,
};

/** Its public endpoint. */
export const ENDPOINT: Endpoint = { protocol: "tcp", address: "203.0.113.10", port: 25570 };
