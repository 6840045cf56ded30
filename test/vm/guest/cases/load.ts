import { deepEqual, equal } from "node:assert/strict";
import type { Case } from "../case.ts";

interface Loaded {
  readonly mechanism: string;
  readonly upgraded: boolean;
  readonly uplinks: readonly { name: string }[];
}

export const load: Case = {
  name: "load",
  async run({ net: { dp }, features }) {
    const { mechanism, upgraded, uplinks } = await dp.json<Loaded>("load");
    equal(mechanism, features.tcx ? "tcx" : "clsact");
    equal(upgraded, false);
    deepEqual(
      uplinks.map(({ name }) => name),
      ["eth0"],
    );
    equal((await dp.json<Loaded>("status")).mechanism, mechanism);
    return `by ${mechanism}`;
  },
};
