import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { entriesOf, entryOf, openPinned, type ServerRecord } from "@dp/core";
import { Dp } from "@dp/e2e/topology/dp.ts";
import type { NetworkNamespace } from "@dp/e2e/topology/namespace.ts";
import { openNetns, withNetns } from "@dp/sys";
import { Cgroup, removeCgroup } from "@dp/test-kit/cgroup.ts";
import { execute } from "@dp/test-kit/program.ts";
import type { Contender } from "./contender.ts";
import { publicTargets } from "./kernel.ts";
import type { Ports } from "./ports.ts";

/** No interface has this index or one above it: an entry of such a host peer takes up room, and no packet finds it. */
const ABSENT_INTERFACE = 1_000_000;

/** Above the ids of the servers whose containers are there. */
const FIRST_OTHER_ID = 1_000;

export const datapath: Contender = {
  name: "datapath",
  ours: true,
  async prepare(world, ports, load) {
    const { host, made } = world;
    // By default its programs for sockets are on every process of the machine: here only on the servers.
    const cgroup = new Cgroup().path;
    made.defer(() => removeCgroup(cgroup));
    const pinRoot = mkdtempSync(join(tmpdir(), "pins-"));
    made.defer(async () => {
      await execute(["umount", pinRoot]);
      rmSync(pinRoot, { recursive: true });
    });
    const dp = new Dp(host, pinRoot);
    const most = `${FIRST_OTHER_ID + ports.all.length}`;
    await dp.must("load", "--iface", "eth0", "--cgroup", cgroup, "--max-servers", most);
    for (const { port, container = 0 } of ports.real) {
      await dp.addServer(port, world.containers[container] as NetworkNamespace);
    }
    addOthers(dp, ports);
    await world.serve(load, ["sh", "-c", `echo $$ >${cgroup}/cgroup.procs && exec "$@"`, "sh"]);
    return publicTargets(ports);
  },
};

/** Enters servers without a container into the maps that packets are looked up in, as dp writes them. */
function addOthers({ host, pinRoot }: Dp, ports: Ports): void {
  using netns = openNetns(host.path);
  withNetns(netns, () => {
    using objects = openPinned({ pinRoot });
    const model = objects.records.all()[0];
    const [forward] = model?.forwards ?? [];
    if (model === undefined || forward === undefined) throw new Error("dp add-server left no record");
    for (const [index, { port, address, container }] of ports.all.entries()) {
      if (container !== undefined) continue;
      const hostPeer = ABSENT_INTERFACE + index;
      const server: ServerRecord = {
        ...model,
        id: FIRST_OTHER_ID + index,
        name: `server-${port}`,
        hostPeer: { ...model.hostPeer, ifindex: hostPeer },
        addresses: { ipv4: { container: address, gateway: address.replace("10.2.", "10.1.") } },
        forwards: [{ ...forward, port, counter: FIRST_OTHER_ID + index }],
      };
      objects.drops.add(server.id);
      objects.servers.set(hostPeer, entryOf(server, 0));
      objects.containers.set(address, { server: server.id, hostPeer });
      objects.hostPeers.set(server.id, model.hostPeer.ifindex);
      objects.endpoints.setMany(entriesOf(server));
    }
  });
}
