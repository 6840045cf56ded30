import type { Socket } from "node:net";
import type { ContainerUsage } from "./limits/container-usage.ts";
import type { Outcome } from "./log/connection-log.ts";
import { Pipe } from "./pipe.ts";
import { resetWhenDelivered } from "./reset-when-delivered.ts";

export interface RelayOptions {
  /** The container's side. It is paused and has an `error` listener. */
  readonly client: Socket;
  /** The other side, connected. It has an `error` listener. */
  readonly upstream: Socket;
  readonly usage: ContainerUsage;
  /** Called with the bytes that the container sends. */
  readonly onBytesOut?: ((bytes: Uint8Array) => void) | undefined;
  /** Called once, when both sides are closed. */
  readonly onDone: (outcome: Outcome) => void;
}

/** Relays between two established connections until both are closed. */
export class Relay {
  readonly #client: Socket;
  readonly #upstream: Socket;
  readonly #out: Pipe;
  readonly #in: Pipe;
  #outcome: Outcome | undefined;
  #open = 2;
  #lastActivity = performance.now();

  constructor({ client, upstream, usage, onBytesOut, onDone }: RelayOptions) {
    this.#client = client;
    this.#upstream = upstream;
    const onActivity = () => {
      this.#lastActivity = performance.now();
    };
    this.#out = new Pipe(client, upstream, usage, { onActivity, onBytes: onBytesOut });
    this.#in = new Pipe(upstream, client, usage, { onActivity });
    client.on("error", (error) => this.#fail(failureOutcome(error, "client"), upstream));
    upstream.on("error", (error) => this.#fail(failureOutcome(error, "upstream"), client));
    const onClose = (side: "client" | "upstream", other: Socket) => {
      this.#open--;
      // An orderly close follows the end of both directions. After any other close the other side would wait for ever.
      if (!client.readableEnded || !upstream.readableEnded) this.#fail(`reset:${side}`, other);
      if (this.#open > 0) return;
      this.#out.finish();
      this.#in.finish();
      onDone(this.#outcome ?? "closed");
    };
    client.on("close", () => onClose("client", upstream));
    upstream.on("close", () => onClose("upstream", client));
    this.#out.start();
    this.#in.start();
  }

  get bytesOut(): number {
    return this.#out.bytes;
  }

  get bytesIn(): number {
    return this.#in.bytes;
  }

  /** Milliseconds since the last activity. */
  idleFor(now: number): number {
    return now - this.#lastActivity;
  }

  /** Resets both sides at once. */
  abort(outcome: Outcome): void {
    this.#outcome ??= outcome;
    this.#client.resetAndDestroy();
    this.#upstream.resetAndDestroy();
  }

  #fail(outcome: Outcome, other: Socket): void {
    this.#outcome ??= outcome;
    resetWhenDelivered(other);
  }
}

/** The outcome to log for an error of an established connection. */
export function failureOutcome(error: Error, side: "client" | "upstream"): Outcome {
  const code = (error as NodeJS.ErrnoException).code ?? "UNKNOWN";
  if (code === "ECONNRESET" || code === "EPIPE") return `reset:${side}`;
  if (code === "ETIMEDOUT") return "timeout:keepalive";
  // The host destroyed its socket to the container: so it does when it removes a server.
  if (code === "ECONNABORTED" && side === "client") return "server-removed";
  return `failed:${code}`;
}
