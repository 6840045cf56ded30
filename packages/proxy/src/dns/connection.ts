import { type AcceptedConnection, refuseConnection } from "../accept-connection.ts";
import type { ContainerUsage, ThrottledReader } from "../limits/container-usage.ts";
import { limitSocketBuffers } from "../limits/socket-buffers.ts";
import type { Outcome } from "../log/connection-log.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { failureOutcome } from "../relay.ts";
import { answerQuery } from "./answer-query.ts";
import { DnsFrameReader, dnsFrame } from "./frames.ts";

/** Queries of one connection that may wait for an answer. At this number, reading from it pauses. */
const MAX_PIPELINED = 16;
/** The longest query in bytes; real queries are shorter. Answers may have any length that the protocol allows. */
const MAX_QUERY = 4096;

/** A DNS connection of a container (RFC 7766): queries may be pipelined, answers are sent as they arrive. */
export class DnsConnection implements ThrottledReader {
  readonly #context: ProxyContext;
  readonly #accepted: AcceptedConnection;
  readonly #usage: ContainerUsage;
  readonly #onDone: (connection: DnsConnection) => void;
  readonly #frames = new DnsFrameReader(MAX_QUERY);
  readonly #unanswered: Uint8Array[] = [];
  #pending = 0;
  #queries = 0;
  #ended = false;
  #throttled = false;
  #unsent = 0;
  #outcome: Outcome = "closed";
  #lastActivity = performance.now();

  /** Starts a connection, or refuses it and returns undefined. `onDone` is called once for each that started. */
  static start(
    context: ProxyContext,
    accepted: AcceptedConnection,
    onDone: (connection: DnsConnection) => void,
  ): DnsConnection | undefined {
    const usage = context.usage.openConnection(accepted.entry.source.address);
    if (usage === undefined) return refuseConnection(context, accepted, "refused:limit");
    return new DnsConnection(context, accepted, usage, onDone);
  }

  private constructor(
    context: ProxyContext,
    accepted: AcceptedConnection,
    usage: ContainerUsage,
    onDone: (connection: DnsConnection) => void,
  ) {
    this.#context = context;
    this.#accepted = accepted;
    this.#usage = usage;
    this.#onDone = onDone;
    const { client } = accepted;
    client.setNoDelay(true);
    const limit = usage.socketBufferLimit;
    if (limit !== undefined) limitSocketBuffers(client, limit);
    client.on("data", (bytes: Buffer) => {
      this.#lastActivity = performance.now();
      this.#unanswered.push(...this.#frames.push(bytes));
      this.#process();
    });
    client.on("drain", () => {
      this.#setUnsent(0);
      this.#process();
    });
    client.on("end", () => {
      this.#ended = true;
      this.#process();
    });
    client.on("error", (error) => {
      this.#outcome = failureOutcome(error, "client");
    });
    client.on("close", () => this.#closed());
    client.resume();
    usage.addReader(this);
  }

  throttle(on: boolean): void {
    this.#throttled = on;
    this.#process();
  }

  get entry(): AcceptedConnection["entry"] {
    return this.#accepted.entry;
  }

  /** Closes the connection when it was idle for too long. */
  checkIdle(now: number): void {
    if (this.#pending > 0) return;
    if (now - this.#lastActivity >= this.#context.limits.dnsIdleTimeoutMs) this.abort("timeout:idle");
  }

  abort(outcome: Outcome): void {
    this.#outcome = outcome;
    this.#accepted.client.resetAndDestroy();
  }

  #process(): void {
    const { client } = this.#accepted;
    const full = () => this.#throttled || this.#pending >= MAX_PIPELINED || client.writableNeedDrain;
    while (!client.destroyed && !full()) {
      const query = this.#unanswered.shift();
      if (query === undefined) break;
      void this.#answer(query);
    }
    if (client.destroyed) return;
    if (this.#frames.oversized) this.abort("refused:malformed");
    else if (this.#ended && this.#pending === 0 && this.#unanswered.length === 0) client.end();
    else if (this.#unanswered.length > 0 || full()) client.pause();
    else client.resume();
  }

  async #answer(query: Uint8Array): Promise<void> {
    this.#pending++;
    this.#queries++;
    const { client, entry } = this.#accepted;
    const answer = await answerQuery(this.#context, entry, query);
    this.#pending--;
    this.#lastActivity = performance.now();
    if (answer !== undefined && client.writable && !client.write(dnsFrame(answer)))
      this.#setUnsent(client.writableLength);
    this.#process();
  }

  /** Counts the bytes of answers that the client has not taken yet. */
  #setUnsent(bytes: number): void {
    const change = bytes - this.#unsent;
    this.#unsent = bytes;
    if (change !== 0) this.#usage.addBufferedBytes(change);
  }

  #closed(): void {
    this.#usage.removeReader(this);
    this.#setUnsent(0);
    this.#context.usage.closeConnection(this.#usage);
    // Each query has its own log line. The connection has one only without queries, or when it did not end normally.
    if (this.#queries === 0 || this.#outcome !== "closed") {
      const { entry, stopwatch } = this.#accepted;
      this.#context.record({
        ...entry,
        bytesOut: 0,
        bytesIn: 0,
        durationMs: stopwatch.durationMs,
        outcome: this.#outcome,
      });
    }
    this.#onDone(this);
  }
}
