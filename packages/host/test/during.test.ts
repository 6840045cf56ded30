import { expect, test } from "bun:test";
import { DatapathError } from "@dp/sys";
import { during } from "../src/during.ts";

function thrown(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  return undefined;
}

test("an error without an op gets the command's", async () => {
  const error = new DatapathError("CONFLICT", undefined, "port 25570 is taken", { hint: "choose another port" });
  expect([error.op, error.message]).toEqual(["", "port 25570 is taken"]);
  const fail = () => {
    throw error;
  };
  expect(thrown(() => during("add server 25570", fail))).toBe(error);
  expect([error.op, error.message]).toEqual(["add server 25570", "add server 25570: port 25570 is taken"]);
});

test("an error of an asynchronous command, too", async () => {
  const error = new DatapathError("FAILED", undefined, "docker is not installed");
  const failing = during("add a server", async () => {
    await Promise.resolve();
    throw error;
  });
  expect(await failing.catch((reason: unknown) => reason)).toBe(error);
  expect(error.op).toBe("add a server");
});

test("an error keeps the op it has, and what is no error of datapath's stays as it is", () => {
  const inner = () => {
    throw new DatapathError("FAILED", undefined, "no room");
  };
  const error = thrown(() => during("load", () => during("attach dp_dnat to eth0", inner))) as DatapathError;
  expect(error.message).toBe("attach dp_dnat to eth0: no room");
  const other = new TypeError("x is not a function");
  const fail = () => {
    throw other;
  };
  expect(thrown(() => during("load", fail))).toBe(other);
  expect(other.message).toBe("x is not a function");
});
