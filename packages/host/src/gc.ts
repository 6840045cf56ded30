import { type Objects, openPinned } from "@dp/core";
import { Netlink } from "@dp/netlink";
import { DatapathError, isBpffs } from "@dp/sys";
import type { Finding } from "./finding.ts";
import { type HostOptions, pinRootOf } from "./host-options.ts";
import { inspect } from "./inspect.ts";
import { openOrRepair, withLock } from "./pin-root.ts";
import { requirePrivileges } from "./privileges.ts";
import type { Problem } from "./problem.ts";
import { Scene } from "./scene.ts";
import { type Server, toServer } from "./server.ts";
import { inspectStrayInterfaces } from "./stray-interfaces.ts";
import { messageOf } from "./transaction.ts";

export interface GcOptions extends HostOptions {
  /** Only say what would be done. Default false. */
  dryRun?: boolean | undefined;
}

/** All of it can be written as JSON. */
export interface GcResult {
  pinRoot: string;
  dryRun: boolean;
  /** The servers that were taken out, as they were. */
  collected: Server[];
  /** Whatever else was taken away: it belonged to nobody any more. */
  removed: Finding[];
  /** What was given back to servers that are alive. */
  mended: Finding[];
  /** What could not be put right here: each says who can. */
  remaining: Finding[];
}

const OP = "collect";

/**
 * Takes out what died or was left half done, and gives what is alive what it lacks: afterwards there are exactly the
 * committed servers, whole. Done again, it does nothing. Players of a server that is alive notice nothing.
 *
 * It works on a host that is not loaded (any more), too: then there are no records, and what looks like a server's
 * interface is nobody's.
 *
 * @throws DatapathError `UNSUPPORTED` without the privileges
 */
export async function gc(options: GcOptions = {}): Promise<GcResult> {
  requirePrivileges(OP);
  const pinRoot = pinRootOf(options);
  if (!isBpffs(pinRoot)) return collectStrays(options);
  return withLock(options, () => {
    using objects = options.dryRun ? openWhole(pinRoot) : openOrRepair(options, OP);
    if (objects === undefined) return collectStrays(options);
    using netlink = Netlink.open();
    if (!options.dryRun) objects.sweep();
    return putRight(options, () => {
      const scene = new Scene(objects, netlink, options);
      return { problems: inspect(scene), scene };
    });
  });
}

/** What is loaded, if it is loaded as a whole. */
function openWhole(pinRoot: string): Objects | undefined {
  try {
    return openPinned({ pinRoot });
  } catch (error) {
    if (error instanceof DatapathError && error.code === "NOT_LOADED") return undefined;
    throw error;
  }
}

function collectStrays(options: GcOptions): GcResult {
  using netlink = Netlink.open();
  return putRight(options, () => ({ problems: inspectStrayInterfaces(netlink, netlink.links(), []) }));
}

/** How often it is looked anew whether putting one thing right has brought another to light. */
const ROUNDS = 5;

/** Puts right what `look` finds, until it finds nothing new. */
function putRight(options: GcOptions, look: () => { problems: Problem[]; scene?: Scene }): GcResult {
  const dryRun = options.dryRun ?? false;
  const result: GcResult = {
    pinRoot: pinRootOf(options),
    dryRun,
    collected: [],
    removed: [],
    mended: [],
    remaining: [],
  };
  const tried = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const { problems, scene } = look();
    const todo = problems.filter(({ finding, remedy }) => remedy !== undefined && !tried.has(keyOf(finding)));
    for (const each of todo) {
      tried.add(keyOf(each.finding));
      if (dryRun || attempt(each, options)) note(result, each, scene);
    }
    const done = new Set(dryRun ? todo.map(({ finding }) => keyOf(finding)) : []);
    result.remaining = problems.map(({ finding }) => finding).filter((finding) => !done.has(keyOf(finding)));
    if (todo.length === 0 || dryRun) break;
  }
  return result;
}

function attempt({ finding, remedy }: Problem, options: GcOptions): boolean {
  try {
    options.onStep?.(`${finding.code}${finding.server === undefined ? "" : ` of server ${finding.server.port}`}`);
    remedy?.run();
    return true;
  } catch (error) {
    options.warn?.(messageOf(error));
    return false;
  }
}

function note(result: GcResult, { finding, remedy }: Problem, scene: Scene | undefined): void {
  const record = remedy?.removes;
  if (record !== undefined) {
    const { index } = record.veth.hostPeer.iface;
    result.collected.push(toServer(record, index === 0 ? undefined : scene?.link(index)));
  } else if (remedy?.kind === "collect") result.removed.push(finding);
  else result.mended.push(finding);
}

function keyOf({ code, server, what }: Finding): string {
  return `${code} ${server?.port ?? ""} ${what}`;
}
