import { expect, test } from "bun:test";
import type { ServerIdentity } from "../src/log/connection-log.ts";
import { RemovedServers } from "../src/removed-servers.ts";

const LOBBY = { id: 1, name: "lobby" };
const ADDRESS = "10.2.0.1";

function setUp(current: ServerIdentity | undefined) {
  const state = { current, lookupFails: false, lookups: 0 };
  const removedServers = new RemovedServers(() => {
    state.lookups++;
    if (state.lookupFails) throw new Error("the lookup failed");
    return state.current;
  });
  const isRemoved = (now: number) => removedServers.startCheck(now)(ADDRESS, LOBBY);
  return { state, removedServers, isRemoved };
}

test("a server is removed when another server has its address", () => {
  const { state, isRemoved } = setUp(LOBBY);
  expect(isRemoved(0)).toBe(false);
  state.current = { id: 2, name: "lobby" };
  expect(isRemoved(1000)).toBe(true);
  state.current = { id: 1, name: "games" };
  expect(isRemoved(2000)).toBe(true);
});

test("a server is removed when no server has had its address for three seconds", () => {
  const { state, isRemoved } = setUp(undefined);
  expect([0, 1000, 2000].map((now) => isRemoved(now))).toEqual([false, false, false]);
  state.current = LOBBY;
  expect(isRemoved(3000)).toBe(false);
  state.current = undefined;
  expect([4000, 6999, 7000].map((now) => isRemoved(now))).toEqual([false, false, true]);
});

test("a failed lookup removes no server, and an unknown source is never removed", () => {
  const { state, removedServers, isRemoved } = setUp(undefined);
  state.lookupFails = true;
  expect([0, 10_000].map((now) => isRemoved(now))).toEqual([false, false]);
  state.lookupFails = false;
  expect([20_000, 30_000].map((now) => removedServers.startCheck(now)(ADDRESS, undefined))).toEqual([false, false]);
});

test("each address is looked up once, however many connections it has", () => {
  const { state, removedServers } = setUp(LOBBY);
  const isRemoved = removedServers.startCheck(0);
  for (let i = 0; i < 10; i++) isRemoved(ADDRESS, LOBBY);
  expect(state.lookups).toBe(1);
});
