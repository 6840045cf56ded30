/**
 * What container engines with CNI do, also for Kubernetes' hostPort: a bridge, and the portmap plugin's rules of
 * iptables.
 *
 * The plugins connect the containers that exist. They take long for each, so the rules of the other ports are copies of
 * those that the plugins made: the same chain and rules with another port, in the same order.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NetworkNamespace } from "@dp/e2e/topology/namespace.ts";
import { must } from "@dp/test-kit/program.ts";
import type { Contender } from "./contender.ts";
import { publicTargets } from "./kernel.ts";
import { GAME_PORT, type Port, type Ports } from "./ports.ts";
import type { World } from "./world.ts";

const PLUGINS = "/usr/lib/cni";

export const portmap: Contender = {
  name: "CNI bridge and portmap",
  async prepare(world, ports, load) {
    await connectAll(world, ports);
    await world.serve(load);
    return publicTargets(ports);
  },
  version: pluginsVersion,
};

/** Connects the containers that exist, and makes the rules of all other ports. */
export async function connectAll(world: World, ports: Ports): Promise<void> {
  const state = mkdtempSync(join(tmpdir(), "cni-"));
  world.made.defer(() => rmSync(state, { recursive: true }));
  for (const port of ports.real) await connect(world, state, port);
  await addOthers(world.host, state, ports);
}

export async function pluginsVersion(): Promise<readonly [name: string, version: string]> {
  const version = await must(["dpkg-query", "-W", "-f=${Version}", "containernetworking-plugins"]);
  return ["CNI plugins", version.replace(/[+~-].*/, "")];
}

/** Runs the two plugins one after the other, as an engine does. */
async function connect(world: World, state: string, { port, container = 0 }: Port): Promise<void> {
  const network = { cniVersion: "1.0.0", name: "bench" };
  const of = { id: `c${port}`, netns: (world.containers[container] as NetworkNamespace).path };
  const result = await plugin(world.host, state, of, {
    ...network,
    type: "bridge",
    bridge: "cni0",
    isGateway: true,
    ipam: {
      type: "host-local",
      ranges: [[{ subnet: "10.2.0.0/16" }]],
      routes: [{ dst: "0.0.0.0/0" }],
      dataDir: join(state, "addresses"),
    },
  });
  await plugin(world.host, state, of, {
    ...network,
    type: "portmap",
    capabilities: { portMappings: true },
    runtimeConfig: { portMappings: [{ hostPort: port, containerPort: GAME_PORT, protocol: "tcp" }] },
    prevResult: JSON.parse(result) as unknown,
  });
}

async function plugin(
  host: NetworkNamespace,
  state: string,
  container: { id: string; netns: string },
  config: Readonly<Record<string, unknown>> & { type: string },
): Promise<string> {
  mkdirSync(join(state, "configs"), { recursive: true });
  const file = join(state, "configs", `${container.id}-${config.type}`);
  writeFileSync(file, JSON.stringify(config));
  const environment = {
    CNI_COMMAND: "ADD",
    CNI_CONTAINERID: container.id,
    CNI_NETNS: container.netns,
    CNI_IFNAME: "eth0",
    CNI_PATH: PLUGINS,
  };
  const words = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return await must(host.inside(["sh", "-c", `exec env ${words.join(" ")} ${join(PLUGINS, config.type)} <${file}`]));
}

/** Copies the rules that the plugins made for one container. */
async function addOthers(host: NetworkNamespace, state: string, ports: Ports): Promise<void> {
  if (ports.all.length === ports.real.length) return;
  const saved = (await must(host.inside(["iptables-save", "-t", "nat"]))).split("\n");
  const rulesOf = ({ port }: Port) => {
    const jump = saved.find((line) => line.startsWith("-A CNI-HOSTPORT-DNAT") && line.includes(`dports ${port} `));
    const chain = /-j (CNI-DN-\w+)/.exec(jump ?? "")?.[1];
    if (jump === undefined || chain === undefined) throw new Error(`portmap left no rule for port ${port}`);
    return { jump, chain, own: saved.filter((line) => line.startsWith(`-A ${chain} `)) };
  };
  const example = ports.real[0] as Port;
  const model = rulesOf(example);
  const address = /--to-destination ([\d.]+):/.exec(model.own.join("\n"))?.[1] as string;
  const jumps: string[] = [];
  const chains: string[] = [];
  const rules: string[] = [];
  for (const port of ports.all) {
    if (port.container !== undefined) {
      jumps.push(rulesOf(port).jump);
      continue;
    }
    const chain = `CNI-DN-${port.port.toString(16).padStart(21, "0")}`;
    const renamed = (line: string) =>
      line
        .replaceAll(model.chain, chain)
        .replaceAll(address, port.address)
        .replaceAll(new RegExp(`\\b(c?)${example.port}\\b`, "g"), `$1${port.port}`);
    jumps.push(renamed(model.jump));
    chains.push(`:${chain} - [0:0]`);
    rules.push(...model.own.map(renamed));
  }
  const file = join(state, "rules");
  const table = ["*nat", ...chains, "-F CNI-HOSTPORT-DNAT", ...jumps, ...rules, "COMMIT", ""];
  writeFileSync(file, table.join("\n"));
  await must(host.inside(["iptables-restore", "--noflush", file]));
}
