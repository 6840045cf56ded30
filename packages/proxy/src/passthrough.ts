import type { Socket } from "node:net";
import { type Admitted, refuse } from "./accept-connection.ts";
import { dial } from "./dial.ts";
import { HttpHostReader } from "./http-host.ts";
import type { Account } from "./limits/container-usage.ts";
import { limitSocketBuffers } from "./limits/socket-buffers.ts";
import type { Outcome } from "./log/connection-log.ts";
import type { ProxyContext } from "./proxy-context.ts";
import { failureOutcome, Relay } from "./relay.ts";

/**
 * One connection of a container, passed through to where it was going: policy, limit, connect, relay, log. Everything
 * of the HTTP listener is this too, with a look at the host name as it passes.
 */
export class Passthrough {
  readonly #context: ProxyContext;
  readonly #admitted: Admitted;
  readonly #account: Account;
  readonly #host: HttpHostReader | undefined;
  readonly #onDone: (connection: Passthrough) => void;
  #dialing: { cancel(): void } | undefined;
  #relay: Relay | undefined;
  #done = false;

  /** Starts one, or refuses the connection and returns undefined. `onDone` is called once for one that started. */
  static start(
    context: ProxyContext,
    admitted: Admitted,
    onDone: (connection: Passthrough) => void,
  ): Passthrough | undefined {
    const { destination, entry } = admitted;
    const decision = context.policy.decide(destination, context.whose(destination.address));
    if (!decision.allowed) return refuse(context, admitted, "refused:policy", decision.rule);
    const account = context.accounts.openConnection(entry.source.address);
    if (account === undefined) return refuse(context, admitted, "refused:limit");
    return new Passthrough(context, admitted, account, onDone);
  }

  private constructor(
    context: ProxyContext,
    admitted: Admitted,
    account: Account,
    onDone: (connection: Passthrough) => void,
  ) {
    this.#context = context;
    this.#admitted = admitted;
    this.#account = account;
    this.#host = admitted.entry.kind === "http" ? new HttpHostReader() : undefined;
    this.#onDone = onDone;
    admitted.client
      .once("error", (error) => {
        if (this.#relay === undefined) this.#giveUp(failureOutcome(error, "client"));
      })
      .once("close", () => {
        if (this.#relay === undefined) this.#giveUp("reset:client");
      });
    this.#dialing = dial(admitted.destination, {
      timeoutMs: context.limits.connectTimeoutMs,
      onConnect: (upstream) => this.#connected(upstream),
      onFailure: (outcome) => this.#giveUp(outcome),
    });
  }

  get entry(): Admitted["entry"] {
    return this.#admitted.entry;
  }

  /** Closes it if nothing has moved for too long. */
  checkIdle(now: number): void {
    if (this.#relay !== undefined && this.#relay.idleFor(now) >= this.#context.limits.idleTimeoutMs) {
      this.#relay.abort("timeout:idle");
    }
  }

  /** Resets both sides at once. */
  abort(outcome: Outcome): void {
    if (this.#relay === undefined) this.#giveUp(outcome);
    else this.#relay.abort(outcome);
  }

  #connected(upstream: Socket): void {
    this.#dialing = undefined;
    upstream.on("error", () => {});
    const refusal = this.#secondThoughts(upstream);
    if (refusal !== undefined) {
      upstream.resetAndDestroy();
      this.#giveUp("refused:policy", refusal);
      return;
    }
    const { client } = this.#admitted;
    const share = this.#account.bufferShare;
    for (const socket of [client, upstream]) {
      if (share !== undefined) limitSocketBuffers(socket, share);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, this.#context.limits.keepAliveMs);
    }
    const host = this.#host;
    this.#relay = new Relay({
      client,
      upstream,
      account: this.#account,
      onBytesOut: host && ((bytes) => host.done || host.push(bytes)),
      onDone: (outcome) => this.#finish(outcome),
    });
  }

  /**
   * A connection whose two ends have one address is to this host, whatever the list of its addresses said: the address
   * may be newer than the list. Returns the rule that refuses it.
   */
  #secondThoughts(upstream: Socket): string | undefined {
    if (upstream.localAddress !== upstream.remoteAddress) return undefined;
    const { allowed, rule } = this.#context.policy.decide(this.#admitted.destination, "host");
    return allowed ? undefined : rule;
  }

  /** Ends what never became a relay. */
  #giveUp(outcome: Outcome, rule?: string): void {
    this.#dialing?.cancel();
    this.#admitted.client.resetAndDestroy();
    this.#finish(outcome, rule);
  }

  #finish(outcome: Outcome, rule?: string): void {
    if (this.#done) return;
    this.#done = true;
    this.#context.accounts.closeConnection(this.#account);
    this.#context.record({
      ...this.#admitted.entry,
      ...(this.#host === undefined ? {} : { host: this.#host.host }),
      ...(rule === undefined ? {} : { rule }),
      bytesOut: this.#relay?.bytesOut ?? 0,
      bytesIn: this.#relay?.bytesIn ?? 0,
      durationMs: this.#admitted.clock.durationMs,
      outcome,
    });
    this.#onDone(this);
  }
}
