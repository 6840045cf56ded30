/**
 * No way around, whatever a container makes of its own network: the same probes under every arrangement. The world is
 * drawn in escape/world.ts.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { outcomeOf, probe, PROBES } from "./escape/arrangement.ts";
import { ARRANGEMENTS, DETACHED } from "./escape/arrangements.ts";
import { expected } from "./escape/attempt.ts";
import { World } from "./escape/world.ts";

let world: World;

beforeAll(async () => {
  world = await World.create();
});

afterAll(() => world[Symbol.asyncDispose]());

for (const arrangement of [...ARRANGEMENTS, DETACHED]) {
  test(`${arrangement.name}: ${PROBES.length} attempts`, async () => {
    const wanted = PROBES.map((each) => [each.name, expected(outcomeOf(arrangement, each))] as const);
    expect(await probe(world, arrangement)).toEqual(Object.fromEntries(wanted));
  });
}
