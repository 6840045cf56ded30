/**
 * No way around, whatever a container makes of its own network: the same probes under every arrangement. The world is
 * drawn in escape/world.ts.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { EtherType } from "@dp/test-kit/frame.ts";
import { outcomeOf, probe, PROBES } from "./escape/arrangement.ts";
import { AROUND, ARRANGEMENTS, DETACHED } from "./escape/arrangements.ts";
import { expected } from "./escape/attempt.ts";
import { arpPackets } from "./escape/attempts/link-layer.ts";
import { World } from "./escape/world.ts";
import { Injector, Sniffer } from "./raw/packet-socket.ts";

let world: World;

beforeAll(async () => {
  world = await World.create();
});

afterAll(() => world[Symbol.asyncDispose]());

test("ARP out of an ifb device is not answered, and teaches the host nothing", async () => {
  await world.check();
  const before = await world.neighbours();
  const heard: string[] = [];
  {
    await using undo = new AsyncDisposableStack();
    using answers = await Sniffer.open(world.namespace, "eth0", [EtherType.arp]);
    const { around } = await AROUND.arrange(world, undo);
    using socket = await Injector.open(world.namespace, "eth0");
    for (const { name, frames } of arpPackets.attempts) {
      const mark = world.mark();
      await around?.(() => {
        for (const frame of frames(world.ground, mark)) socket.send(frame as Uint8Array);
      });
      heard.push(name);
    }
    await world.check();
    expect(answers.frames.map((frame) => frame.subarray(0, 42).toString("hex"))).toEqual([]);
  }
  await world.reopen();
  await world.check();
  expect(heard).toHaveLength(arpPackets.attempts.length);
  expect(await world.neighbours()).toEqual(before);
});

for (const arrangement of [...ARRANGEMENTS, DETACHED]) {
  test(`${arrangement.name}: ${PROBES.length} attempts`, async () => {
    const wanted = PROBES.map((each) => [each.name, expected(outcomeOf(arrangement, each))] as const);
    expect(await probe(world, arrangement)).toEqual(Object.fromEntries(wanted));
    expect(await world.shownDrops()).toEqual(world.drops());
  });
}
