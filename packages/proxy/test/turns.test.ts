import { expect, test } from "bun:test";
import { Turns } from "../src/limits/turns.ts";

test("as many as may begin at once, the others in their order, each when one ends", async () => {
  const turns = new Turns(2);
  const begun: number[] = [];
  const all = [0, 1, 2, 3].map(async (each) => {
    await turns.begin();
    begun.push(each);
  });
  await Promise.all(all.slice(0, 2));
  expect(begun).toEqual([0, 1]);
  turns.end();
  await all[2];
  expect(begun).toEqual([0, 1, 2]);
  turns.end();
  await all[3];
  for (let each = 0; each < 2; each++) turns.end();
  await Promise.all([turns.begin(), turns.begin()]);
});
