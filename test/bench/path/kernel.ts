/** Contenders of the kernel alone: no host, routing, nftables. */
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must } from "@dp/test-kit/program.ts";
import type { Contender } from "./contender.ts";
import { containerAddress, GAME_PORT, type Ports } from "./ports.ts";
import { PUBLIC_ADDRESS, type World } from "./world.ts";

/** The client and the containers without a host: the lower bound of every figure. */
export const wire: Contender = {
  name: "no host between",
  anyPorts: true,
  async prepare(world, _ports, load) {
    await world.plugInto(world.client);
    await world.serve(load);
    return ownTargets(world);
  },
};

/** The client connects to the containers' own addresses: the host only routes. */
export const routing: Contender = {
  name: "routing",
  anyPorts: true,
  async prepare(world, _ports, load) {
    await world.wire();
    await world.serve(load);
    return ownTargets(world);
  },
};

function ownTargets(world: World): string[] {
  return world.containers.map((_, index) => `${containerAddress(index)}:${GAME_PORT}`);
}

export const nftMap: Contender = {
  name: "nftables, a map",
  version: nftVersion,
  prepare: (world, ports, load) =>
    nftables(world, ports, load, (all) => [
      "  map servers {",
      "    type inet_service : ipv4_addr . inet_service",
      `    elements = { ${all.map(({ port, address }) => `${port} : ${address} . ${GAME_PORT}`).join(", ")} }`,
      "  }",
      "  chain prerouting {",
      "    type nat hook prerouting priority dstnat",
      `    ip daddr ${PUBLIC_ADDRESS} dnat ip to tcp dport map @servers`,
      "  }",
    ]),
};

export const nftRules: Contender = {
  name: "nftables, a rule per port",
  prepare: (world, ports, load) =>
    nftables(world, ports, load, (all) => [
      "  chain prerouting {",
      "    type nat hook prerouting priority dstnat",
      ...all.map(
        ({ port, address }) => `    ip daddr ${PUBLIC_ADDRESS} tcp dport ${port} dnat to ${address}:${GAME_PORT}`,
      ),
      "  }",
    ]),
};

async function nftables(
  world: World,
  ports: Ports,
  load: string,
  rules: (all: Ports["all"]) => string[],
): Promise<string[]> {
  await world.wire();
  const file = join(tmpdir(), `${world.host.name}.nft`);
  world.made.defer(() => rmSync(file));
  writeFileSync(file, ["table ip nat {", ...rules(ports.all), "}", ""].join("\n"));
  await must(world.host.inside(["nft", "-f", file]));
  await world.serve(load);
  return publicTargets(ports);
}

export function publicTargets(ports: Ports): string[] {
  return ports.real.map(({ port }) => `${PUBLIC_ADDRESS}:${port}`);
}

async function nftVersion(): Promise<readonly [string, string]> {
  return ["nftables", /v([\d.]+)/.exec(await must(["nft", "--version"]))?.[1] ?? "?"];
}
