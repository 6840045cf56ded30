/**
 * Bulk transfers, whatever the interfaces do for the kernel or leave to it:
 *
 *     player ── internet ── host ── container
 *     198.51.100.10        203.0.113.10:25570 → 10.2.0.1:25565
 *
 * Each test moves 1 GiB each way, and compares the SHA-256 of what was sent with that of what arrived.
 */
import { describe, expect, test } from "bun:test";
import { Internet } from "./topology/internet.ts";
import { serve, transfer } from "./traffic/traffic.ts";

const GIBIBYTE = 2 ** 30;

/** Sets the features of every interface that the traffic passes. */
async function setFeatures(net: Internet, features: Readonly<Record<string, boolean>>): Promise<void> {
  for (const namespace of [net.player(), net.router, net.host, net.container()]) {
    for (const { ifname } of await namespace.links()) {
      if (ifname !== "lo" && ifname !== "lan") await namespace.features(ifname, features);
    }
  }
}

for (const mtu of [1500, 9000]) {
  describe(`an uplink with MTU ${mtu}`, () => {
    for (const checksums of [true, false]) {
      for (const segmentation of [true, false]) {
        const by = (offloaded: boolean) => (offloaded ? "left to the interface" : "done before");
        test(`checksums ${by(checksums)}, segmentation ${by(segmentation)}: a gibibyte arrives unchanged`, async () => {
          await using net = await Internet.create({ mtu });
          await net.dp.must("load");
          await net.dp.addServer(25570, net.container());
          expect((await net.container().links()).find(({ ifname }) => ifname === "eth0")?.mtu).toBe(mtu);
          await setFeatures(net, {
            tx: checksums,
            tso: segmentation && checksums,
            gso: segmentation,
            gro: segmentation,
          });
          await serve(net.container());

          for (const direction of ["download", "upload"] as const) {
            const { sent, received } = await transfer(net.player(), { port: 25570 }, direction, GIBIBYTE);
            expect(sent).toMatch(/^[0-9a-f]{64}$/);
            expect(received).toBe(sent);
          }
        });
      }
    }
  });
}
