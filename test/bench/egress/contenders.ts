import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Dp } from "@dp/e2e/topology/dp.ts";
import type { NetworkNamespace } from "@dp/e2e/topology/namespace.ts";
import { Cgroup, removeCgroup } from "@dp/test-kit/cgroup.ts";
import { must, execute } from "@dp/test-kit/program.ts";
import type { Contender, Redirect } from "./contender.ts";
import { dpProxy, haproxy, type Proxy, TCP_PORT } from "./proxies.ts";

const SERVER_PORT = 25570;

export const noProxy: Contender = { name: "routing, no proxy", prepare: (world) => world.wire() };

const nftables: Redirect = {
  name: "nftables",
  async prepare(world, proxy) {
    await world.wire();
    const file = join(tmpdir(), `${world.host.name}.nft`);
    world.made.defer(() => rmSync(file));
    const rules = [
      "  chain prerouting {",
      "    type nat hook prerouting priority dstnat",
      `    iifname "v0" meta l4proto tcp redirect to :${TCP_PORT}`,
      "  }",
    ];
    writeFileSync(file, ["table ip nat {", ...rules, "}", ""].join("\n"));
    await must(world.host.inside(["nft", "-f", file]));
    world.work(quietly("/dev/null", proxy.alone));
  },
};

const datapath: Redirect = {
  name: "datapath",
  ours: true,
  async prepare(world, proxy) {
    const { host, made } = world;
    const cgroup = new Cgroup().path;
    made.defer(() => removeCgroup(cgroup));
    const pinRoot = mkdtempSync(join(tmpdir(), "pins-"));
    made.defer(async () => {
      await execute(["umount", pinRoot]);
      rmSync(pinRoot, { recursive: true });
    });
    const dp = new Dp(host, pinRoot);
    await dp.must("load", "--iface", "eth0", "--cgroup", cgroup);
    await dp.addServer(SERVER_PORT, world.containers[0] as NetworkNamespace);
    const command = proxy.dp === undefined ? proxy.alone : dp.command(...proxy.dp);
    world.work(quietly(join(cgroup, "cgroup.procs"), command));
  },
};

/** Writes its own process number into a file, and discards its log. */
function quietly(file: string, command: readonly string[]): string[] {
  return ["sh", "-c", `echo $$ >${file} && exec "$@" >/dev/null`, "sh", ...command];
}

function through(redirect: Redirect, proxy: Proxy): Contender {
  return {
    name: `${redirect.name}, ${proxy.name}`,
    ...(redirect.ours === true ? { ours: true } : {}),
    prepare: (world) => redirect.prepare(world, proxy),
  };
}

/** For each proxy: behind nftables, and behind datapath. */
export const PAIRS = [dpProxy, haproxy].map((proxy) => ({
  proxy,
  nftables: through(nftables, proxy),
  datapath: through(datapath, proxy),
}));

export const CONTENDERS: readonly Contender[] = [noProxy, ...PAIRS.flatMap((pair) => [pair.nftables, pair.datapath])];
