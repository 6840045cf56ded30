/**
 * No way around: what a container tries with every capability inside its own namespace, and what becomes of it. The
 * world is drawn in escape/world.ts; what is tried, in escape/attempts/.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { expected, makeAll } from "./escape/attempt.ts";
import { TOPICS } from "./escape/attempts/index.ts";
import { World } from "./escape/world.ts";

let world: World;

/** Whom the host and the other containers take for whom, as it is before all attempts. */
let neighbours: Record<string, string[]>;

beforeAll(async () => {
  world = await World.create();
  await world.check();
  neighbours = await world.neighbours();
});

afterAll(() => world[Symbol.asyncDispose]());

for (const { title, attempts } of TOPICS) {
  test(`${title}: ${attempts.length} attempts`, async () => {
    const results = await makeAll(world, attempts);
    expect(results).toEqual(Object.fromEntries(attempts.map((attempt) => [attempt.name, expected(attempt)])));
    expect(await world.shownDrops()).toEqual(world.drops());
    expect(await world.neighbours()).toEqual(neighbours);
  });
}
