import type { Forward } from "@dp/core";
import { defaultPlacement, hasAddress, placementOf } from "../../repair/placements.ts";
import { repairBy, type Problem, serverProblem } from "../../repair/problem.ts";
import type { View } from "../../repair/view.ts";
import { moveServer } from "../move.ts";
import type { ServerPart } from "./part.ts";

/** Whether each public address of the server is the host's, and replies leave by the interface that has it. */
export const placement: ServerPart = {
  name: "placement",
  check(view, record) {
    const problems: Problem[] = [];
    const reported = new Set<string>();
    const forwards = record.forwards.map((forward) => {
      const misplaced = checkForward(view, forward);
      if (misplaced === undefined) return forward;
      const { words, remedy } = misplaced;
      const isFix = typeof remedy === "string";
      // Reported once for all forwards with the same address.
      if (!reported.has(words.what)) {
        reported.add(words.what);
        const move = () => moveServer(view.objects, { record, forwards });
        problems.push(serverProblem(record, words, isFix ? remedy : repairBy(move)));
      }
      return isFix ? forward : remedy;
    });
    return problems;
  },
};

interface Misplaced {
  words: { code: string; severity: "error"; what: string };
  /** The forward as it should be, or what the operator has to do. */
  remedy: Forward | string;
}

/** undefined when the forward is placed right. */
function checkForward(view: View, forward: Forward): Misplaced | undefined {
  const { address } = forward;
  const severity = "error";
  if (!hasAddress(view, address)) {
    const what = `its public address ${address} is no longer an address of this host`;
    const fix = `give ${address} to the host again, or add the server with another address`;
    const fallback = view.isDefaultAddress(address) ? defaultPlacement(view) : undefined;
    const remedy = fallback === undefined ? fix : { ...forward, ...fallback };
    return { words: { code: "public-address-gone", severity, what }, remedy };
  }
  const found = placementOf(view, address);
  if ("reason" in found) {
    const what = `its replies cannot leave: ${found.reason}`;
    const fix = found.hint ?? "bring the uplink back, then dp load; or dp load --iface NAME";
    return { words: { code: "uplink-gone", severity, what }, remedy: fix };
  }
  if (found.uplink === forward.uplink) return undefined;
  const what = `its replies leave by interface ${forward.uplink}, and ${address} is on interface ${found.uplink}`;
  return { words: { code: "uplink-changed", severity, what }, remedy: { ...forward, ...found } };
}
