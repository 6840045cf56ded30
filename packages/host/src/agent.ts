import { type News, type Notification, Subscription } from "@dp/netlink";
import { type HostOptions, pinRootOf } from "./host-options.ts";
import { requirePrivileges } from "./kernel/privileges.ts";
import { repair, type RepairResult } from "./repair.ts";
import type { Finding } from "./repair/finding.ts";
import { isInside } from "./server/parts/container-network.ts";
import type { Server } from "./server/server.ts";
import { messageOf } from "./transaction.ts";

/** What the agent found or did. Contains only JSON values. */
export type AgentEvent =
  /** It is subscribed: no change from now on is missed. */
  | { event: "started"; pinRoot: string }
  /** A server whose container is gone, or a leftover of one, was removed. */
  | { event: "server-removed"; server: Server }
  /** "removed": an orphan was removed. "repaired": what a server lacked was restored. */
  | { event: "removed" | "repaired"; finding: Finding }
  /** "found": a finding that the operator has to put right, reported once. "resolved": it is gone. */
  | { event: "found" | "resolved"; finding: Finding }
  /** The kernel dropped notifications for lack of room: everything is checked. */
  | { event: "overrun" }
  /** A check failed and will be tried again. Reported once for as long as the reason stays the same. */
  | { event: "failed"; reason: string }
  /** Reported once for as long as it stays true. */
  | { event: "warning"; message: string };

/** How the agent checks, reports and ends. */
export interface AgentOptions extends HostOptions {
  /** Ends it. A change that has begun is finished; waiting for the lock is not. */
  signal: AbortSignal;
  /** Called with each event, in order. */
  onEvent: (event: AgentEvent) => void;
  /** How often everything is checked without any notification, in milliseconds. Default one minute. */
  checkMs?: number | undefined;
  /** Bytes of notifications that the kernel keeps while a check runs. Default 8 MiB. */
  room?: number | undefined;
}

const OP = "run the agent";

/** Notifications come in bursts: a check starts this long after the last one, */
const QUIET_MS = 300;
/** and at most this long after the first one. */
const MAX_DELAY_MS = 2000;
/** The pause after a check is this many times the check's duration: checks use less than a tenth of a processor. */
const PAUSE_FACTOR = 10;
/** The pause after a check that failed. */
const RETRY_MS = 5000;
const CHECK_MS = 60_000;
/** Enough for a namespace with ten thousand interfaces that ends at once. */
const ROOM = 8 * 1024 * 1024;

/**
 * Does what {@link repair} does whenever the kernel reports a change that may concern a server: an interface was
 * deleted or changed, an address or a route of the host was added or deleted. It also runs once a minute, because the
 * kernel does not report everything (a program that is detached, changes inside a container).
 *
 * It keeps no state of its own: it can be killed and started again at any time, and run beside any other command.
 *
 * @throws DatapathError `UNSUPPORTED` without the privileges
 */
export async function runAgent(options: AgentOptions): Promise<void> {
  requirePrivileges(OP);
  const { signal, onEvent, checkMs = CHECK_MS, room = ROOM } = options;
  using changes = Subscription.open({ topics: ["link", "address", "route"], room });
  onEvent({ event: "started", pinRoot: pinRootOf(options) });
  const reporter = new Reporter(onEvent);
  const schedule = new Schedule(checkMs);
  for await (const news of changes.news({ signal, idle: true })) {
    if (news.overrun) onEvent({ event: "overrun" });
    if (concerns(news)) schedule.notified(performance.now());
    const due = schedule.due(performance.now());
    if (due !== undefined) {
      const start = performance.now();
      // The kernel reports nothing from inside a container, and looking there takes most of the time.
      const inside = due === "regular";
      try {
        reporter.done(await repair({ ...options, inside, warn: (message) => reporter.warned(message) }), inside);
        schedule.checked(due, start, performance.now());
      } catch (error) {
        if (signal.aborted) break;
        reporter.failed(messageOf(error));
        schedule.failed(performance.now());
      }
    }
  }
}

function concerns({ notifications, overrun }: News): boolean {
  return overrun || notifications.some(mayConcern);
}

/** Servers have no IPv6. A new route takes nothing from a server. */
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

/** Why a check runs: after notifications, or because it is time to check everything, containers included. */
type Reason = "notified" | "regular";

/** When the next check is due. */
class Schedule {
  readonly #checkMs: number;
  #firstNotified: number | undefined;
  #lastNotified = 0;
  #earliest = 0;
  #nextCheck = 0;

  constructor(checkMs: number) {
    this.#checkMs = checkMs;
  }

  notified(now: number): void {
    this.#firstNotified ??= now;
    this.#lastNotified = now;
  }

  due(now: number): Reason | undefined {
    if (now < this.#earliest) return undefined;
    if (now >= this.#nextCheck) return "regular";
    if (this.#firstNotified === undefined) return undefined;
    return now - this.#lastNotified >= QUIET_MS || now - this.#firstNotified >= MAX_DELAY_MS ? "notified" : undefined;
  }

  checked(reason: Reason, start: number, end: number): void {
    this.#firstNotified = undefined;
    // A regular check does not delay the next one after notifications, which takes a fraction of its time.
    if (reason === "notified") this.#earliest = end + PAUSE_FACTOR * (end - start);
    else this.#nextCheck = end + Math.max(this.#checkMs, PAUSE_FACTOR * (end - start));
  }

  failed(now: number): void {
    this.notified(now);
    this.#earliest = now + RETRY_MS;
  }
}

/** Reports what is new since the check before. */
class Reporter {
  readonly #onEvent: AgentOptions["onEvent"];
  #known = new Map<string, Finding>();
  #failure: string | undefined;
  #warnings = new Set<string>();
  #lastWarnings = new Set<string>();

  constructor(onEvent: AgentOptions["onEvent"]) {
    this.#onEvent = onEvent;
  }

  /** @param inside whether containers were looked into; otherwise their known findings stay */
  done({ removedServers, removed, repaired, remaining }: RepairResult, inside: boolean): void {
    this.#nextWarnings();
    this.#failure = undefined;
    for (const server of removedServers) this.#onEvent({ event: "server-removed", server });
    for (const finding of removed) this.#onEvent({ event: "removed", finding });
    for (const finding of repaired) this.#onEvent({ event: "repaired", finding });
    const unseen = inside ? [] : [...this.#known.values()].filter(isInside);
    const known = new Map([...unseen, ...remaining].map((finding) => [JSON.stringify(finding), finding]));
    for (const [key, finding] of this.#known) if (!known.has(key)) this.#onEvent({ event: "resolved", finding });
    for (const [key, finding] of known) if (!this.#known.has(key)) this.#onEvent({ event: "found", finding });
    this.#known = known;
  }

  failed(reason: string): void {
    this.#nextWarnings();
    if (reason !== this.#failure) this.#onEvent({ event: "failed", reason });
    this.#failure = reason;
  }

  warned(message: string): void {
    if (!this.#lastWarnings.has(message) && !this.#warnings.has(message)) this.#onEvent({ event: "warning", message });
    this.#warnings.add(message);
  }

  #nextWarnings(): void {
    this.#lastWarnings = this.#warnings;
    this.#warnings = new Set();
  }
}
