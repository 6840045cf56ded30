import type { Socket } from "node:net";
import { type AcceptedConnection, refuseConnection } from "./accept-connection.ts";
import { dial } from "./dial.ts";
import type { Endpoint } from "./endpoint.ts";
import { HttpHostReader } from "./http-host.ts";
import type { ContainerUsage } from "./limits/container-usage.ts";
import { limitSocketBuffers } from "./limits/socket-buffers.ts";
import type { Outcome } from "./log/connection-log.ts";
import type { ProxyContext } from "./proxy-context.ts";
import { failureOutcome, Relay } from "./relay.ts";

/**
 * A container's connection that is passed on to its original destination: policy, limit, connect, relay, log. The HTTP
 * listener does the same, and reads the host name while the bytes pass.
 */
export class Passthrough {
  readonly #context: ProxyContext;
  readonly #accepted: AcceptedConnection;
  readonly #usage: ContainerUsage;
  readonly #host: HttpHostReader | undefined;
  readonly #onDone: (connection: Passthrough) => void;
  #dialing: { cancel(): void } | undefined;
  #relay: Relay | undefined;
  #done = false;

  /** Starts a connection, or refuses it and returns undefined. `onDone` is called once for each that started. */
  static start(
    context: ProxyContext,
    accepted: AcceptedConnection,
    onDone: (connection: Passthrough) => void,
  ): Passthrough | undefined {
    const { destination, entry } = accepted;
    const decision = context.policy.decide(destination, context.destinationKind(destination.address));
    if (!decision.allowed) return refuseConnection(context, accepted, "refused:policy", decision.rule);
    const usage = context.usage.openConnection(entry.source.address);
    if (usage === undefined) return refuseConnection(context, accepted, "refused:limit");
    if (!context.usage.openPort(entry.source.address, textOf(destination))) {
      context.usage.closeConnection(usage);
      return refuseConnection(context, accepted, "refused:limit");
    }
    return new Passthrough(context, accepted, usage, onDone);
  }

  private constructor(
    context: ProxyContext,
    accepted: AcceptedConnection,
    usage: ContainerUsage,
    onDone: (connection: Passthrough) => void,
  ) {
    this.#context = context;
    this.#accepted = accepted;
    this.#usage = usage;
    this.#host = accepted.entry.kind === "http" ? new HttpHostReader() : undefined;
    this.#onDone = onDone;
    accepted.client
      .once("error", (error) => {
        if (this.#relay === undefined) this.#endBeforeRelay(failureOutcome(error, "client"));
      })
      .once("close", () => {
        if (this.#relay === undefined) this.#endBeforeRelay("reset:client");
      });
    this.#dialing = dial(accepted.destination, {
      timeoutMs: context.limits.connectTimeoutMs,
      onConnect: (upstream) => this.#connected(upstream),
      onFailure: (outcome) => this.#endBeforeRelay(outcome),
    });
  }

  get entry(): AcceptedConnection["entry"] {
    return this.#accepted.entry;
  }

  /** Closes the connection when it was idle for too long. */
  checkIdle(now: number): void {
    if (this.#relay !== undefined && this.#relay.idleFor(now) >= this.#context.limits.idleTimeoutMs) {
      this.#relay.abort("timeout:idle");
    }
  }

  /** Resets both sides at once. */
  abort(outcome: Outcome): void {
    if (this.#relay === undefined) this.#endBeforeRelay(outcome);
    else this.#relay.abort(outcome);
  }

  #connected(upstream: Socket): void {
    this.#dialing = undefined;
    upstream.on("error", () => {});
    const rule = this.#refusedByRule(upstream);
    if (rule !== undefined) {
      upstream.resetAndDestroy();
      this.#endBeforeRelay("refused:policy", rule);
      return;
    }
    const { client } = this.#accepted;
    const limit = this.#usage.socketBufferLimit;
    for (const socket of [client, upstream]) {
      if (limit !== undefined) limitSocketBuffers(socket, limit);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, this.#context.limits.keepAliveMs);
    }
    const host = this.#host;
    this.#relay = new Relay({
      client,
      upstream,
      usage: this.#usage,
      onBytesOut: host && ((bytes) => host.done || host.push(bytes)),
      onDone: (outcome) => this.#finish(outcome),
    });
  }

  /**
   * Checks the policy again for a connection to the host itself, which has the same address at both ends. The host may
   * have got this address after its addresses were listed. Returns the rule that refuses the connection.
   */
  #refusedByRule(upstream: Socket): string | undefined {
    if (upstream.localAddress !== upstream.remoteAddress) return undefined;
    const { allowed, rule } = this.#context.policy.decide(this.#accepted.destination, "host");
    return allowed ? undefined : rule;
  }

  #endBeforeRelay(outcome: Outcome, rule?: string): void {
    this.#dialing?.cancel();
    this.#accepted.client.resetAndDestroy();
    this.#finish(outcome, rule);
  }

  #finish(outcome: Outcome, rule?: string): void {
    if (this.#done) return;
    this.#done = true;
    this.#context.usage.closeConnection(this.#usage);
    this.#context.usage.closePort(this.#accepted.entry.source.address, textOf(this.#accepted.destination));
    this.#context.record({
      ...this.#accepted.entry,
      ...(this.#host === undefined ? {} : { host: this.#host.host }),
      ...(rule === undefined ? {} : { rule }),
      bytesOut: this.#relay?.bytesOut ?? 0,
      bytesIn: this.#relay?.bytesIn ?? 0,
      durationMs: this.#accepted.stopwatch.durationMs,
      outcome,
    });
    this.#onDone(this);
  }
}

function textOf({ address, port }: Endpoint): string {
  return `${address}:${port}`;
}
