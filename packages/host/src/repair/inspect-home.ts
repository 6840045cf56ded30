import type { ServerRecord } from "@dp/core";
import { DatapathError } from "@dp/sys";
import { defaultAddress, toInterface, uplinkOf } from "../interfaces/uplink.ts";
import { moveServer } from "../server/move.ts";
import { messageOf } from "../transaction.ts";
import { mend, type Problem, problem, serverProblem } from "./problem.ts";
import type { Scene } from "./scene.ts";

const OP = "find the uplink";

/** Whether players find a server: its public address is the host's, and replies leave by the interface that has it. */
export function inspectHome(scene: Scene, record: ServerRecord): Problem[] {
  const { objects } = scene;
  const { publicAddress } = record;
  if (!has(scene, publicAddress)) {
    const what = `its public address ${publicAddress} is not on this host any more`;
    const words = { code: "public-address-gone", severity: "error", what } as const;
    const home = publicAddress === scene.config?.publicAddress ? newHome(scene) : undefined;
    if (home !== undefined)
      return [
        serverProblem(
          record,
          words,
          mend(() => moveServer(objects, record, home)),
        ),
      ];
    return [
      serverProblem(record, words, `give the host ${publicAddress} again, or add the server with another address`),
    ];
  }
  const uplink = uplinkFor(scene, publicAddress);
  if (typeof uplink !== "number") {
    const what = `its replies cannot leave: ${uplink.reason}`;
    const words = { code: "uplink-gone", severity: "error", what } as const;
    const fix = uplink.hint ?? "bring the uplink back, then dp load; or dp load --iface NAME";
    return [serverProblem(record, words, fix)];
  }
  if (uplink === record.uplink) return [];
  const what = `its replies leave by interface ${record.uplink}, and ${publicAddress} is on ${uplink}`;
  const cure = mend(() => moveServer(objects, record, { publicAddress, uplink }));
  return [serverProblem(record, { code: "uplink-changed", severity: "error", what }, cure)];
}

/** The same of what new servers get. */
export function inspectDefaultHome(scene: Scene): Problem[] {
  const { objects, config } = scene;
  if (config === undefined) return [];
  const { publicAddress } = config;
  if (!has(scene, publicAddress)) {
    const what = `the address new servers get, ${publicAddress}, is not on this host any more`;
    const words = { code: "public-address-gone", severity: "error", what } as const;
    const home = newHome(scene);
    if (home === undefined) return [problem(words, "dp load --address IP")];
    return [
      problem(
        words,
        mend(() => objects.setConfig({ ...config, ...home })),
      ),
    ];
  }
  const uplink = uplinkFor(scene, publicAddress);
  if (typeof uplink !== "number") {
    const words = { code: "uplink-gone", severity: "error", what: uplink.reason } as const;
    return [problem(words, uplink.hint ?? "dp load --iface NAME")];
  }
  if (uplink === config.uplink) return [];
  const what = `new servers would get the uplink ${config.uplink}, and ${publicAddress} is on interface ${uplink}`;
  const cure = mend(() => objects.setConfig({ ...config, uplink }));
  return [problem({ code: "uplink-changed", severity: "error", what }, cure)];
}

function has({ addresses }: Scene, address: string): boolean {
  return addresses.some((each) => each.address === address);
}

/** Where servers go whose address was the default one: to what the uplinks have now. */
function newHome(scene: Scene): { publicAddress: string; uplink: number } | undefined {
  try {
    const publicAddress = defaultAddress(scene.uplinks, scene.addresses, undefined, OP);
    const uplink = uplinkFor(scene, publicAddress);
    return typeof uplink === "number" ? { publicAddress, uplink } : undefined;
  } catch {
    return undefined;
  }
}

/** ifindex of the uplink that has an address, or why there is none. */
function uplinkFor(
  { uplinks, addresses, netlink }: Scene,
  address: string,
): number | { reason: string; hint: string | undefined } {
  try {
    return uplinkOf(address, uplinks.map(toInterface), addresses, netlink, OP).index;
  } catch (error) {
    if (error instanceof DatapathError) return error;
    return { reason: messageOf(error), hint: undefined };
  }
}
