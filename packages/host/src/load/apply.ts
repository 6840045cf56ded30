import { functionName, loadBpf, type Objects, snapshotPins } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import { pinnedOptions, pinRootOf } from "../host-options.ts";
import { followMtu } from "../interfaces/server-mtu.ts";
import { attemptAll, messageOf, Transaction } from "../transaction.ts";
import {
  attachToCgroup,
  attachToHost,
  attachToServer,
  attachToSkLookup,
  attachToUplink,
  leaveUplinks,
} from "./attach.ts";
import type { LoadChange } from "./change.ts";
import { addUplinks, moveServers, replaceHostAddresses, storeConfig, storeSettings } from "./entries.ts";
import { type LoadOptions, OP } from "./options.ts";
import type { LoadPlan } from "./plan.ts";
import type { LoadResult } from "./result.ts";
import { verify } from "./verify.ts";

type Applied = Omit<LoadResult, "repaired" | "remaining">;

/** Fourth stage: carries out the plan, whole or not at all. */
export function apply(plan: LoadPlan, host: Netlink, previous: Objects | undefined, options: LoadOptions): Applied {
  const { maxServers, build = "" } = options;
  const pinRoot = pinRootOf(options);
  using before = snapshotPins({ pinRoot });
  let opened: Objects | undefined;
  try {
    const applied = Transaction.run(OP, options.onStep, (transaction) => {
      const objects = transaction.step(
        "load programs",
        () => loadBpf({ ...pinnedOptions(options), build, ...(maxServers === undefined ? {} : { maxServers }) }),
        (loaded) => (previous === undefined ? loaded.unpinAll() : before.restore()),
      );
      opened = objects;
      const migrated = putIntoUse({ transaction, objects, previous, host, options }, plan);
      return { upgraded: previous !== undefined, pinRoot, ...loadedNow(objects, plan), migrated };
    });
    deleteStrays(plan, options);
    return applied;
  } finally {
    opened?.close();
  }
}

/** @returns the names of the maps that got another layout or size */
function putIntoUse(change: LoadChange, plan: LoadPlan): string[] {
  const { transaction, objects, host: netlink, options } = change;
  const { uplinks, present, moves } = plan;
  storeSettings(change, plan);
  if (plan.old !== undefined) storeConfig(change, plan);
  replaceHostAddresses(change, plan.addresses);
  addUplinks(change, uplinks);
  moveServers(change, moves);
  attachToCgroup(change, plan);
  // Servers before uplinks: players reach a container only after the programs on its peers are attached.
  const reached = present.filter((record) => attachToServer(change, record));
  attachToHost(change);
  attachToSkLookup(change);
  for (const record of present) {
    const forwards = moves.find((move) => move.record === record)?.forwards ?? record.forwards;
    followMtu(transaction, { objects, netlink, options }, { ...record, forwards }, uplinks);
  }
  for (const uplink of uplinks) attachToUplink(change, uplink);
  leaveUplinks(change, uplinks);
  const names = [...reached.map(({ hostPeer }) => hostPeer), ...uplinks].map(({ name }) => name);
  transaction.step("verify programs", () => verify(objects, new Set(names)));
  // The previous programs no longer run, so they write nothing more into the old maps.
  const migrated = transaction.step("finish upgrade", () => objects.finishUpgrade());
  // Last: without a configuration, the next command knows that this load did not finish.
  if (plan.old === undefined) storeConfig(change, plan);
  return migrated;
}

function loadedNow(
  { attachments }: Objects,
  { uplinks, config, settings, cgroup, servers }: LoadPlan,
): Omit<Applied, "upgraded" | "pinRoot" | "migrated"> {
  const { uplink: _, ...visible } = settings;
  return {
    mechanism: attachments.mechanism,
    uplinks: uplinks.map(({ name, index, mac }) => ({ name, ifindex: index, mac })),
    ...visible,
    ...config,
    cgroup,
    servers,
    programs: attachments.programs().map(({ program, id, tag }) => ({ name: functionName(program), id, tag })),
  };
}

/** Deletes stray interfaces. This cannot be undone, so it is the last step. */
function deleteStrays({ strays }: LoadPlan, { onStep, warn }: LoadOptions): void {
  const steps = strays.map(({ link, problem: { finding, remedy } }) => ({
    step: `delete ${link.name}`,
    run: () => {
      onStep?.(`delete ${link.name}`);
      remedy?.run();
      warn?.(`removed: ${finding.what}`);
    },
  }));
  for (const { error } of attemptAll(steps)) warn?.(messageOf(error));
}
