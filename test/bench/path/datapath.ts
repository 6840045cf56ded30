import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPinned } from "@dp/core";
import { Dp } from "@dp/e2e/topology/dp.ts";
import type { NetworkNamespace } from "@dp/e2e/topology/namespace.ts";
import { openNetns, withNetns } from "@dp/sys";
import { Cgroup, removeCgroup } from "@dp/test-kit/cgroup.ts";
import { execute } from "@dp/test-kit/program.ts";
import type { Contender } from "./contender.ts";
import { publicTargets } from "./kernel.ts";
import { GAME_PORT, type Ports } from "./ports.ts";
import { PUBLIC_ADDRESS } from "./world.ts";

/** No interface has such an index: what is entered for it takes up room, and no packet finds it. */
const NOBODYS_INTERFACE = 1_000_000;

export const datapath: Contender = {
  name: "datapath",
  ours: true,
  async prepare(world, ports, load) {
    const { host, made } = world;
    // By default its programs for sockets are on every process of the machine: here on the servers' only.
    const cgroup = new Cgroup().path;
    made.defer(() => removeCgroup(cgroup));
    const pinRoot = mkdtempSync(join(tmpdir(), "pins-"));
    made.defer(async () => {
      await execute(["umount", pinRoot]);
      rmSync(pinRoot, { recursive: true });
    });
    const dp = new Dp(host, pinRoot);
    await dp.must("load", "--iface", "eth0", "--cgroup", cgroup);
    for (const { port, container = 0 } of ports.real) {
      await dp.addServer(port, world.containers[container] as NetworkNamespace);
    }
    addOthers(dp, ports);
    await world.serve(load, ["sh", "-c", `echo $$ >${cgroup}/cgroup.procs && exec "$@"`, "sh"]);
    return publicTargets(ports);
  },
};

/** The programs' entries for servers that are not there, as dp writes them: only the interfaces are another's. */
function addOthers({ host, pinRoot }: Dp, ports: Ports): void {
  using netns = openNetns(host.path);
  withNetns(netns, () => {
    using objects = openPinned({ pinRoot });
    const config = objects.config();
    const model = config && objects.getDnatTarget({ address: PUBLIC_ADDRESS, port: ports.real[0]?.port ?? 0 });
    if (config === undefined || model === undefined) throw new Error("dp add-server left no entry");
    for (const [index, { port, address, container }] of ports.all.entries()) {
      if (container !== undefined) continue;
      const hostPeer = NOBODYS_INTERFACE + index;
      const hostPeerAddress = address.replace("10.2.", "10.1.");
      const shared = { containerAddress: address, gamePort: GAME_PORT, containerMac: model.containerMac };
      objects.addCounters(hostPeer);
      objects.addSnatTarget(hostPeer, {
        ...shared,
        hostPeerAddress,
        publicAddress: PUBLIC_ADDRESS,
        publicPort: port,
        uplink: config.uplink,
        group: 0,
      });
      const mac = model.containerMac;
      objects.addVethPairEntry(
        {
          hostPeer: { iface: { index: hostPeer, name: `dp${port}`, mac }, addr: hostPeerAddress },
          podPeer: { iface: { index: hostPeer, name: "eth0", mac }, addr: address },
        },
        { gamePort: GAME_PORT, group: 0, netnsCookie: 0n },
      );
      objects.addHostPeer(address, model.hostPeer);
      objects.addDnatTarget({ address: PUBLIC_ADDRESS, port }, { ...shared, hostPeer: model.hostPeer });
    }
  });
}
