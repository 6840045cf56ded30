import { loadBpf, type Objects, snapshotPins } from "@dp/core";
import { functionName } from "@dp/core/internal";
import type { Netlink } from "@dp/netlink";
import { pinnedOptions, pinRootOf } from "../host-options.ts";
import { followMtu } from "../interfaces/server-mtu.ts";
import { toInterface } from "../interfaces/uplink.ts";
import { Transaction } from "../transaction.ts";
import { attach, attachGuard, attachToCgroup, leaveUplinks } from "./attach.ts";
import type { LoadContext } from "./context.ts";
import { addUplinks, moveServers, replaceConfig, replaceHostAddresses } from "./entries.ts";
import { type LoadOptions, OP } from "./options.ts";
import type { LoadPlan } from "./plan.ts";
import type { LoadResult } from "./result.ts";
import { attachToServer } from "./server-programs.ts";
import { verify } from "./verify.ts";

/** Loads and attaches as planned: all of it, or nothing. */
export function carryOut(
  plan: LoadPlan,
  netlink: Netlink,
  previous: Objects | undefined,
  options: LoadOptions,
): Omit<LoadResult, "mended" | "remaining"> {
  const pinRoot = pinRootOf(options);
  const { maxServers, build = "" } = options;
  using before = snapshotPins({ pinRoot });
  let opened: Objects | undefined;
  try {
    return Transaction.run(OP, options.onStep, (transaction) => {
      const objects = transaction.step(
        "load programs",
        () => loadBpf({ ...pinnedOptions(options), build, ...(maxServers === undefined ? {} : { maxServers }) }),
        (loaded) => (previous === undefined ? loaded.unpinAll() : before.restore()),
      );
      opened = objects;
      const migrated = bringIntoUse({ transaction, objects, previous, netlink, options }, plan);
      return { upgraded: previous !== undefined, pinRoot, ...loadedNow(objects, plan), migrated };
    });
  } finally {
    opened?.close();
  }
}

/** The maps that got another layout or size. */
function bringIntoUse(context: LoadContext, plan: LoadPlan): string[] {
  const { transaction, objects, previous, netlink, options } = context;
  const { uplinks, config, present, moved } = plan;
  const oldConfig = previous?.config();
  if (oldConfig !== undefined) replaceConfig(context, oldConfig, config);
  replaceHostAddresses(context, plan.addresses);
  addUplinks(context, uplinks);
  moveServers(context, moved);
  attachToCgroup(context, plan);
  // The programs on the host peers before dp_dnat: no player reaches a container without them.
  const reached = present.filter((record) => attachToServer(context, record));
  attachGuard(context);
  for (const record of present) {
    const uplink = moved.find((each) => each.record === record)?.home.uplink ?? record.uplink;
    followMtu(transaction, netlink, record, uplink, options);
  }
  for (const uplink of uplinks) attach(context, "dnat", toInterface(uplink));
  leaveUplinks(context, uplinks);
  const names = [...reached.map(({ veth }) => veth.hostPeer.iface), ...uplinks].map(({ name }) => name);
  transaction.step("verify programs", () => verify(objects, new Set(names)));
  // Nothing runs the previous programs any more: what they wrote into maps of theirs is complete.
  const migrated = transaction.step("finish upgrade", () => objects.finishUpgrade());
  // Last: without a configuration, the next command knows that this load did not finish.
  if (oldConfig === undefined) transaction.step("configuration", () => objects.setConfig(config));
  return migrated;
}

function loadedNow(
  objects: Objects,
  { uplinks, config, cgroup, servers }: LoadPlan,
): Omit<LoadResult, "upgraded" | "pinRoot" | "migrated" | "mended" | "remaining"> {
  const { uplink: _, portRange, ...settings } = config;
  return {
    mechanism: objects.mechanism,
    uplinks: uplinks.map(({ name, index, mac }) => ({ name, ifindex: index, mac })),
    ...settings,
    portRange: [portRange[0], portRange[1]],
    cgroup,
    servers,
    programs: objects.programs().map(({ program, id, tag }) => ({ name: functionName(program), id, tag })),
  };
}
