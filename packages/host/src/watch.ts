import { type News, type Notification, Subscription } from "@dp/netlink";
import { gc, type GcResult } from "./gc.ts";
import { type HostOptions, pinRootOf } from "./host-options.ts";
import { requirePrivileges } from "./kernel/privileges.ts";
import type { Finding } from "./repair/finding.ts";
import { isInside } from "./repair/inspect-container.ts";
import type { Server } from "./server/server.ts";
import { messageOf } from "./transaction.ts";

/** What was seen or done. All of it can be written as JSON. */
export type WatchEvent =
  /** From now on nothing goes unheard. */
  | { event: "watching"; pinRoot: string }
  | { event: "collected"; server: Server }
  /** What belonged to nobody was taken away; what a server lacked was given back. */
  | { event: "removed" | "mended"; finding: Finding }
  /** It takes somebody else to put this right; it is said once. Later: it is as it should be again. */
  | { event: "found" | "resolved"; finding: Finding }
  /** More happened at once than there was room for: everything is looked at anew. */
  | { event: "overrun" }
  /** It could not be looked at, and will be tried again. Said once for as long as it is for the same reason. */
  | { event: "failed"; reason: string }
  /** Said once for as long as it is so. */
  | { event: "warning"; message: string };

/** Whom to tell, and when to stop. */
export interface WatchOptions extends HostOptions {
  /** Ends it. What it is in the middle of, it finishes, unless that is waiting for others. */
  signal: AbortSignal;
  /** Told of each event, in their order. */
  onEvent: (event: WatchEvent) => void;
  /** How often everything is looked at though nothing was heard, in milliseconds. Default one minute. */
  checkMs?: number | undefined;
  /** Bytes of announcements that may wait while it is busy. Default 8 MiB. */
  room?: number | undefined;
}

const OP = "watch";

/** How often it is asked whether something has happened: the runtime waits for no socket of ours. */
const POLL_MS = 100;
/** Things happen in groups: they have come to rest when nothing was heard for so long, */
const REST_MS = 300;
/** but nobody waits longer than this for them to. */
const LONGEST_WAIT_MS = 2000;
/** Between two looks, so many times what the last one took: a tenth of a processor at most. */
const LEISURE = 10;
const RETRY_MS = 5000;
const CHECK_MS = 60_000;
/** A namespace with ten thousand interfaces ends in one go. */
const ROOM = 8 * 1024 * 1024;

/**
 * Does what `gc` does whenever something has changed that may concern a server: an interface was deleted or changed, an
 * address or a route of the host came or went. And once a minute, since not everything is announced (a program that is
 * taken off, what happens inside of a container).
 *
 * It keeps no state that matters: it can be killed and started again at any time, and run beside any other command.
 *
 * @throws DatapathError `UNSUPPORTED` without the privileges
 */
export async function watch(options: WatchOptions): Promise<void> {
  requirePrivileges(OP);
  const { signal, onEvent, checkMs = CHECK_MS, room = ROOM } = options;
  using changes = Subscription.open({ topics: ["link", "address", "route"], room });
  onEvent({ event: "watching", pinRoot: pinRootOf(options) });
  const reporter = new Reporter(onEvent);
  const agenda = new Agenda(checkMs);
  while (!signal.aborted) {
    const news = changes.read();
    if (news.overrun) onEvent({ event: "overrun" });
    if (concerns(news)) agenda.heard(performance.now());
    const due = agenda.due(performance.now());
    if (due !== undefined) {
      const start = performance.now();
      // Nothing that is announced happened inside of a container: most of the work is for the check.
      const inside = due === "check";
      try {
        reporter.done(await gc({ ...options, inside, warn: (message) => reporter.warned(message) }), inside);
        agenda.looked(due, start, performance.now());
      } catch (error) {
        if (signal.aborted) break;
        reporter.failed(messageOf(error));
        agenda.failed(performance.now());
      }
    }
    await sleep(POLL_MS, signal);
  }
}

function concerns({ notifications, overrun }: News): boolean {
  return overrun || notifications.some(mayConcern);
}

/** Nothing of IPv6: servers have none. New routes bring nobody anything to lose. */
function mayConcern(notification: Notification): boolean {
  switch (notification.topic) {
    case "link":
      return true;
    case "address":
      return notification.address.family === "inet";
    case "route":
      return notification.change === "deleted" && notification.route.family === "inet";
    default:
      return false;
  }
}

/** Why it is looked: something was heard, or it is time to look at everything. */
type Look = "heard" | "check";

/** When to look. */
class Agenda {
  readonly #checkMs: number;
  #firstHeard: number | undefined;
  #lastHeard = 0;
  #earliest = 0;
  #nextCheck = 0;

  constructor(checkMs: number) {
    this.#checkMs = checkMs;
  }

  heard(now: number): void {
    this.#firstHeard ??= now;
    this.#lastHeard = now;
  }

  due(now: number): Look | undefined {
    if (now < this.#earliest) return undefined;
    if (now >= this.#nextCheck) return "check";
    if (this.#firstHeard === undefined) return undefined;
    return now - this.#lastHeard >= REST_MS || now - this.#firstHeard >= LONGEST_WAIT_MS ? "heard" : undefined;
  }

  looked(why: Look, start: number, end: number): void {
    this.#firstHeard = undefined;
    // After a check, what is heard is looked at in a fraction of its time.
    if (why === "heard") this.#earliest = end + LEISURE * (end - start);
    else this.#nextCheck = end + Math.max(this.#checkMs, LEISURE * (end - start));
  }

  failed(now: number): void {
    this.heard(now);
    this.#earliest = now + RETRY_MS;
  }
}

/** Says what is new. */
class Reporter {
  readonly #onEvent: WatchOptions["onEvent"];
  #known = new Map<string, Finding>();
  #failure: string | undefined;
  #warnings = new Set<string>();
  #lastWarnings = new Set<string>();

  constructor(onEvent: WatchOptions["onEvent"]) {
    this.#onEvent = onEvent;
  }

  /** @param inside whether containers were looked into: else what is known of them stays */
  done({ collected, removed, mended, remaining }: GcResult, inside: boolean): void {
    this.#looked();
    this.#failure = undefined;
    for (const server of collected) this.#onEvent({ event: "collected", server });
    for (const finding of removed) this.#onEvent({ event: "removed", finding });
    for (const finding of mended) this.#onEvent({ event: "mended", finding });
    const unseen = inside ? [] : [...this.#known.values()].filter(isInside);
    const known = new Map([...unseen, ...remaining].map((finding) => [JSON.stringify(finding), finding]));
    for (const [key, finding] of this.#known) if (!known.has(key)) this.#onEvent({ event: "resolved", finding });
    for (const [key, finding] of known) if (!this.#known.has(key)) this.#onEvent({ event: "found", finding });
    this.#known = known;
  }

  failed(reason: string): void {
    this.#looked();
    if (reason !== this.#failure) this.#onEvent({ event: "failed", reason });
    this.#failure = reason;
  }

  warned(message: string): void {
    if (!this.#lastWarnings.has(message) && !this.#warnings.has(message)) this.#onEvent({ event: "warning", message });
    this.#warnings.add(message);
  }

  #looked(): void {
    this.#lastWarnings = this.#warnings;
    this.#warnings = new Set();
  }
}

/** Ends early when there is nothing to wait for any more. */
function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, milliseconds);
    signal.addEventListener("abort", wake);
  });
}
