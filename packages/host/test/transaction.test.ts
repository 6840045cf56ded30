import { describe, expect, test } from "bun:test";
import { DatapathError } from "@dp/sys";
import fc from "fast-check";
import { Transaction } from "../src/transaction.ts";

/** Steps that change `state`, and the way back. */
function change(transaction: Transaction, state: string[], names: readonly string[], failAt: number): void {
  for (const [at, name] of names.entries()) {
    transaction.step(
      name,
      () => {
        if (at === failAt) throw new Error(`${name} failed`);
        state.push(name);
      },
      () => expect(state.pop()).toBe(name),
    );
  }
}

describe("a transaction", () => {
  test("happens as a whole, or leaves what was there", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.array(fc.string()), fc.nat(12), (before, names, failAt) => {
        const state = [...before];
        const act = () => Transaction.run("change", undefined, (tx) => change(tx, state, names, failAt));
        if (failAt < names.length) {
          expect(act).toThrow("failed");
          expect(state).toEqual(before);
        } else {
          act();
          expect(state).toEqual([...before, ...names]);
        }
      }),
    );
  });

  test("tells of each step before it is taken, and what the listener throws fails the step", () => {
    const state: string[] = [];
    const listener = (step: string) => {
      expect(state).not.toContain(step);
      if (step === "c") throw new Error("no c");
    };
    expect(() => Transaction.run("change", listener, (tx) => change(tx, state, ["a", "b", "c"], -1))).toThrow("no c");
    expect(state).toEqual([]);
  });

  test("undoes every step even when undoing one fails, and loses no error", () => {
    const undone: string[] = [];
    const reason = new DatapathError("CONFLICT", "add", "taken");
    try {
      Transaction.run("add server 1", undefined, (tx) => {
        tx.step(
          "first",
          () => 1,
          (taken, clean) => undone.push(`${taken} ${clean}`),
        );
        tx.step(
          "second",
          () => 2,
          () => {
            throw new Error("stuck");
          },
        );
        tx.step(
          "third",
          () => 3,
          (taken, clean) => undone.push(`${taken} ${clean}`),
        );
        throw reason;
      });
      throw new Error("it succeeded");
    } catch (error) {
      expect(error).toBeInstanceOf(DatapathError);
      const { code, message, cause } = error as DatapathError;
      expect(code).toBe("CONFLICT");
      expect(message).toContain("add: taken; and this could not be undone: second (stuck)");
      expect((cause as AggregateError).errors).toEqual([reason, new Error("stuck")]);
    }
    // The first is told that something is left.
    expect(undone).toEqual(["3 true", "1 false"]);
  });

  test("returns what its body returns, and throws its very error", () => {
    expect(Transaction.run("x", undefined, () => 42)).toBe(42);
    const error = new Error("mine");
    const act = () =>
      Transaction.run("x", undefined, () => {
        throw error;
      });
    expect(act).toThrow(error);
  });
});
