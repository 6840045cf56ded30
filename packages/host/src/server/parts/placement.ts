import type { Forward } from "@dp/core";
import { defaultPlacement, hasAddress, placementOf } from "../../repair/placements.ts";
import { repairBy, type Problem, serverProblem } from "../../repair/problem.ts";
import type { View } from "../../repair/view.ts";
import { moveServer } from "../move.ts";
import type { ServerPart } from "./part.ts";

/** Whether players find the forwards: each public address is the host's, and replies leave by its interface. */
export const placement: ServerPart = {
  name: "placement",
  check(view, record) {
    const problems: Problem[] = [];
    const reported = new Set<string>();
    const forwards = record.forwards.map((forward) => {
      const { problem, moved } = checkForward(view, forward);
      // Forwards of one address have one problem.
      if (problem !== undefined && !reported.has(problem.what)) {
        reported.add(problem.what);
        const cure = moved === undefined ? problem.fix : repairBy(() => moveServer(view.objects, { record, forwards }));
        problems.push(serverProblem(record, problem, cure));
      }
      return moved ?? forward;
    });
    return problems;
  },
};

interface Checked {
  problem?: { code: string; severity: "error"; what: string; fix: string };
  /** Where the forward should be. */
  moved?: Forward;
}

function checkForward(view: View, forward: Forward): Checked {
  const { address } = forward;
  const severity = "error";
  if (!hasAddress(view, address)) {
    const what = `its public address ${address} is no longer an address of this host`;
    const fix = `give ${address} to the host again, or add the server with another address`;
    const home = view.isDefaultAddress(address) ? defaultPlacement(view) : undefined;
    const problem = { code: "public-address-gone", severity, what, fix } as const;
    return home === undefined ? { problem } : { problem, moved: { ...forward, ...home } };
  }
  const found = placementOf(view, address);
  if ("reason" in found) {
    const what = `its replies cannot leave: ${found.reason}`;
    const fix = found.hint ?? "bring the uplink back, then dp load; or dp load --iface NAME";
    return { problem: { code: "uplink-gone", severity, what, fix } };
  }
  if (found.uplink === forward.uplink) return {};
  const what = `its replies leave by interface ${forward.uplink}, and ${address} is on interface ${found.uplink}`;
  return { problem: { code: "uplink-changed", severity, what, fix: "" }, moved: { ...forward, ...found } };
}
