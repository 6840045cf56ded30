/**
 * Servers whose container, interface, uplink, programs or records went away: what is said of them, what mends it, and
 * that no packet of theirs gets to a stranger.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { addServer, load, unload } from "../src/index.ts";
import { PacketSocket } from "./support/packets.ts";
import { PUBLIC_ADDRESS, requireRoot, run, Sandbox } from "./support/sandbox.ts";

requireRoot();
setDefaultTimeout(120_000);

const PORT = 25570;

/** A player knocks: its SYN is on the way, or was answered, when this returns. */
function knock(sandbox: Sandbox, port = PORT, address = PUBLIC_ADDRESS): void {
  const connect = `exec 3<>/dev/tcp/${address}/${port}`;
  spawnSync("nsenter", [`--net=/run/netns/${sandbox.internet}`, "timeout", "0.3", "bash", "-c", connect]);
}

test("an interface that gets the index of one that is gone gets none of its packets", async () => {
  using sandbox = new Sandbox();
  const { options } = sandbox;
  await load(options);
  const mortal = sandbox.container();
  const { hostPeer } = await addServer({ ...options, port: PORT, netns: mortal });
  {
    using own = new PacketSocket(mortal);
    knock(sandbox);
    expect(own.tcp()).toContain("203.0.113.1 > 10.2.0.1:25565");
  }
  await sandbox.kill(mortal);

  const stranger = sandbox.container();
  const add = ["link", "add", "stranger", "index", `${hostPeer.ifindex}`, "type", "veth", "peer", "name", "eth0"];
  run("ip", "-n", sandbox.host, ...add, "netns", stranger);
  run("ip", "-n", sandbox.host, "link", "set", "stranger", "up");
  run("ip", "-n", stranger, "link", "set", "eth0", "up");
  using seen = new PacketSocket(stranger);
  knock(sandbox);
  expect(seen.tcp()).toEqual([]);
  await unload({ ...options, force: true });
});
