import { readFileSync } from "node:fs";

/** How long the kernel keeps the port of a closed connection (TIME_WAIT). */
const KEPT_MS = 60_000;
/** Ports towards one destination that a container gets whatever the others have. */
const RESERVED = 64;
/** Beyond those, a quarter of what is left: however many containers take what they can, some is left for another. */
const SHARE = 4;

interface Ports {
  taken: number;
  readonly byContainer: Map<string, number>;
}

/**
 * Shares the host's ephemeral ports between containers. Each connection to one destination (address and port) needs a
 * port of its own, also for a minute after its end.
 */
export class DestinationPorts {
  readonly #ports: number;
  readonly #now: () => number;
  readonly #destinations = new Map<string, Ports>();
  /** In the order they were closed. */
  #closed: { container: string; destination: string; at: number }[] = [];

  /** @param ports how many ephemeral ports there are. Default: as ip_local_port_range says */
  constructor(ports: number = ephemeralPorts(), now: () => number = () => performance.now()) {
    this.#ports = ports;
    this.#now = now;
  }

  /** Counts a connection. False when the container may have no further one to this destination. */
  open(container: string, destination: string): boolean {
    const ports = this.#destinations.get(destination) ?? { taken: 0, byContainer: new Map<string, number>() };
    const own = ports.byContainer.get(container) ?? 0;
    if (own >= RESERVED && (own - RESERVED) * SHARE >= this.#ports - ports.taken) return false;
    ports.taken++;
    ports.byContainer.set(container, own + 1);
    this.#destinations.set(destination, ports);
    return true;
  }

  /** Its port stays taken for a minute. */
  close(container: string, destination: string): void {
    this.#closed.push({ container, destination, at: this.#now() });
  }

  /** Gives back what was closed a minute ago. To be called about once a second. */
  removeOld(): void {
    const before = this.#now() - KEPT_MS;
    const kept = this.#closed.findIndex(({ at }) => at > before);
    const old = this.#closed.splice(0, kept < 0 ? this.#closed.length : kept);
    for (const { container, destination } of old) this.#giveBack(container, destination);
  }

  /** How many ports are taken towards a destination. */
  taken(destination: string): number {
    return this.#destinations.get(destination)?.taken ?? 0;
  }

  #giveBack(container: string, destination: string): void {
    const ports = this.#destinations.get(destination);
    if (ports === undefined) return;
    const own = (ports.byContainer.get(container) ?? 0) - 1;
    if (own > 0) ports.byContainer.set(container, own);
    else ports.byContainer.delete(container);
    if (--ports.taken === 0) this.#destinations.delete(destination);
  }
}

function ephemeralPorts(): number {
  const text = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8");
  const [first = 32_768, last = 60_999] = text.trim().split(/\s+/).map(Number);
  return last - first + 1;
}
