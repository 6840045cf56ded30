import { type Admitted, refuse } from "../accept-connection.ts";
import type { Account, Throttled } from "../limits/container-usage.ts";
import { limitSocketBuffers } from "../limits/socket-buffers.ts";
import type { Outcome } from "../log/connection-log.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { failureOutcome } from "../relay.ts";
import { answerQuery } from "./answer-query.ts";
import { DnsFrameReader, dnsFrame } from "./frames.ts";

/** Queries of one connection that may wait for an answer; nothing more is read from it meanwhile. */
const MAX_PIPELINED = 16;
/** Longer queries do not exist in practice; the answers may be as long as the protocol lets them. */
const MAX_QUERY = 4096;

/** One DNS connection of a container (RFC 7766): queries may be pipelined, answers come as they are ready. */
export class DnsConnection implements Throttled {
  readonly #context: ProxyContext;
  readonly #admitted: Admitted;
  readonly #account: Account;
  readonly #onDone: (connection: DnsConnection) => void;
  readonly #frames = new DnsFrameReader(MAX_QUERY);
  readonly #waiting: Uint8Array[] = [];
  #pending = 0;
  #queries = 0;
  #ended = false;
  #throttled = false;
  #held = 0;
  #outcome: Outcome = "closed";
  #lastActivity = performance.now();

  /** Starts one, or refuses the connection and returns undefined. `onDone` is called once for one that started. */
  static start(
    context: ProxyContext,
    admitted: Admitted,
    onDone: (connection: DnsConnection) => void,
  ): DnsConnection | undefined {
    const account = context.accounts.openConnection(admitted.entry.source.address);
    if (account === undefined) return refuse(context, admitted, "refused:limit");
    return new DnsConnection(context, admitted, account, onDone);
  }

  private constructor(
    context: ProxyContext,
    admitted: Admitted,
    account: Account,
    onDone: (connection: DnsConnection) => void,
  ) {
    this.#context = context;
    this.#admitted = admitted;
    this.#account = account;
    this.#onDone = onDone;
    const { client } = admitted;
    client.setNoDelay(true);
    if (account.bufferShare !== undefined) limitSocketBuffers(client, account.bufferShare);
    client.on("data", (bytes: Buffer) => {
      this.#lastActivity = performance.now();
      this.#waiting.push(...this.#frames.push(bytes));
      this.#work();
    });
    client.on("drain", () => {
      this.#hold(0);
      this.#work();
    });
    client.on("end", () => {
      this.#ended = true;
      this.#work();
    });
    client.on("error", (error) => {
      this.#outcome = failureOutcome(error, "client");
    });
    client.on("close", () => this.#closed());
    client.resume();
    account.join(this);
  }

  throttle(on: boolean): void {
    this.#throttled = on;
    this.#work();
  }

  get entry(): Admitted["entry"] {
    return this.#admitted.entry;
  }

  /** Closes it if nothing has moved for too long. */
  checkIdle(now: number): void {
    if (this.#pending > 0) return;
    if (now - this.#lastActivity >= this.#context.limits.dnsIdleTimeoutMs) this.abort("timeout:idle");
  }

  abort(outcome: Outcome): void {
    this.#outcome = outcome;
    this.#admitted.client.resetAndDestroy();
  }

  #work(): void {
    const { client } = this.#admitted;
    const full = () => this.#throttled || this.#pending >= MAX_PIPELINED || client.writableNeedDrain;
    while (!client.destroyed && !full()) {
      const query = this.#waiting.shift();
      if (query === undefined) break;
      void this.#answer(query);
    }
    if (client.destroyed) return;
    if (this.#frames.oversized) this.abort("refused:malformed");
    else if (this.#ended && this.#pending === 0 && this.#waiting.length === 0) client.end();
    else if (this.#waiting.length > 0 || full()) client.pause();
    else client.resume();
  }

  async #answer(query: Uint8Array): Promise<void> {
    this.#pending++;
    this.#queries++;
    const { client, entry } = this.#admitted;
    const answer = await answerQuery(this.#context, entry, query);
    this.#pending--;
    this.#lastActivity = performance.now();
    if (answer !== undefined && client.writable && !client.write(dnsFrame(answer))) this.#hold(client.writableLength);
    this.#work();
  }

  /** Counts the answers that the client has not taken yet. */
  #hold(bytes: number): void {
    const change = bytes - this.#held;
    this.#held = bytes;
    if (change !== 0) this.#account.buffer(change);
  }

  #closed(): void {
    this.#account.leave(this);
    this.#hold(0);
    this.#context.accounts.closeConnection(this.#account);
    // Each query has a line of its own; the connection has one only if it asked nothing or ended badly.
    if (this.#queries === 0 || this.#outcome !== "closed") {
      const { entry, clock } = this.#admitted;
      this.#context.record({
        ...entry,
        bytesOut: 0,
        bytesIn: 0,
        durationMs: clock.durationMs,
        outcome: this.#outcome,
      });
    }
    this.#onDone(this);
  }
}
