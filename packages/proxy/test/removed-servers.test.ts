import { expect, test } from "bun:test";
import type { ServerIdentity } from "../src/log/connection-log.ts";
import { Departures } from "../src/removed-servers.ts";

const LOBBY = { name: "lobby", port: 25570 };
const ADDRESS = "10.2.0.1";

function world(there: ServerIdentity | undefined) {
  const state = { there, broken: false, asked: 0 };
  const departures = new Departures(() => {
    state.asked++;
    if (state.broken) throw new Error("cannot say");
    return state.there;
  });
  const gone = (now: number) => departures.look(now)(ADDRESS, LOBBY);
  return { state, departures, gone };
}

test("a server that is still there has not gone; another one at its address means it has", () => {
  const { state, gone } = world(LOBBY);
  expect(gone(0)).toBe(false);
  state.there = { name: "lobby", port: 25571 };
  expect(gone(1000)).toBe(true);
  state.there = { name: "games", port: 25570 };
  expect(gone(2000)).toBe(true);
});

test("an address that is nobody's is given some time to be somebody's again", () => {
  const { state, gone } = world(undefined);
  expect([0, 1000, 2000].map((now) => gone(now))).toEqual([false, false, false]);
  state.there = LOBBY;
  expect(gone(3000)).toBe(false);
  state.there = undefined;
  expect([4000, 6999, 7000].map((now) => gone(now))).toEqual([false, false, true]);
});

test("not being able to tell ends nothing, nor does having been nobody's all along", () => {
  const { state, departures, gone } = world(undefined);
  state.broken = true;
  expect([0, 10_000].map((now) => gone(now))).toEqual([false, false]);
  state.broken = false;
  expect([20_000, 30_000].map((now) => departures.look(now)(ADDRESS, undefined))).toEqual([false, false]);
});

test("each address is looked up once, however many connections it has", () => {
  const { state, departures } = world(LOBBY);
  const gone = departures.look(0);
  for (let i = 0; i < 10; i++) gone(ADDRESS, LOBBY);
  expect(state.asked).toBe(1);
});
