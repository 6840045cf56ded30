import type { ServerRecord } from "@dp/core";
import { DatapathError } from "@dp/sys";
import { defaultAddress, toInterface, uplinkOf } from "../interfaces/uplink.ts";
import { moveServer } from "../server/move.ts";
import { messageOf } from "../transaction.ts";
import { mend, type Problem, problem, serverProblem } from "./problem.ts";
import type { Scene } from "./scene.ts";

const OP = "find the uplink";

/** Whether a server's public address is on this host, and its replies leave by the interface that has the address. */
export function inspectPublicAddress(scene: Scene, record: ServerRecord): Problem[] {
  const { objects } = scene;
  const { publicAddress } = record;
  if (!has(scene, publicAddress)) {
    const what = `its public address ${publicAddress} is not on this host any more`;
    const words = { code: "public-address-gone", severity: "error", what } as const;
    const moved = publicAddress === scene.config?.publicAddress ? newDefaultAddress(scene) : undefined;
    if (moved !== undefined)
      return [
        serverProblem(
          record,
          words,
          mend(() => moveServer(objects, record, moved)),
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

/** The same for the default public address, which new servers get. */
export function inspectDefaultPublicAddress(scene: Scene): Problem[] {
  const { objects, config } = scene;
  if (config === undefined) return [];
  const { publicAddress } = config;
  if (!has(scene, publicAddress)) {
    const what = `the address new servers get, ${publicAddress}, is not on this host any more`;
    const words = { code: "public-address-gone", severity: "error", what } as const;
    const moved = newDefaultAddress(scene);
    if (moved === undefined) return [problem(words, "dp load --address IP")];
    return [
      problem(
        words,
        mend(() => objects.setConfig({ ...config, ...moved })),
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

/** The default public address by what the uplinks have now, for servers that had the old one. */
function newDefaultAddress(scene: Scene): { publicAddress: string; uplink: number } | undefined {
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
