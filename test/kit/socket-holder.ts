import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** What happened to a socket: it listens, is connected, has an error (with its code), ... */
export interface SocketEvent {
  what: string;
  name?: string;
  code?: string;
  text?: string;
}

/** A process in a network namespace, and perhaps in a cgroup, that holds sockets: see socket-holder.mjs. */
export class SocketHolder implements AsyncDisposable {
  readonly #process;
  readonly #events: SocketEvent[] = [];
  #wake: () => void = () => undefined;

  /**
   * @param netns path of its network namespace
   * @param cgroup path of its cgroup; the test's own when left out
   */
  constructor(netns: string, cgroup?: string) {
    const script = join(import.meta.dirname, "socket-holder.mjs");
    const enter = cgroup === undefined ? "" : `echo $$ > ${cgroup}/cgroup.procs && `;
    const command = `${enter}exec nsenter --net=${netns} node ${script}`;
    this.#process = spawn("bash", ["-c", command], { stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: this.#process.stdout }).on("line", (line) => {
      this.#events.push(JSON.parse(line) as SocketEvent);
      this.#wake();
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Sends it a command of socket-holder.mjs. */
  do(...command: unknown[]): void {
    this.#process.stdin.write(`${JSON.stringify(command)}\n`);
  }

  /** Waits up to 4 s for the next event that matches one of these, and takes it. One caller can wait at a time. */
  async waitFor(...wanted: Partial<SocketEvent>[]): Promise<SocketEvent> {
    const deadline = performance.now() + 4000;
    for (;;) {
      const at = this.#events.findIndex((event) =>
        wanted.some((each) => Object.entries(each).every(([key, value]) => event[key as keyof SocketEvent] === value)),
      );
      if (at >= 0) return this.#events.splice(at, 1)[0] as SocketEvent;
      const left = deadline - performance.now();
      if (left <= 0) {
        throw new Error(`waited for ${JSON.stringify(wanted)}, got ${JSON.stringify(this.#events)}`);
      }
      await Promise.race([
        new Promise<void>((resolve) => void (this.#wake = resolve)),
        new Promise((resolve) => setTimeout(resolve, left)),
      ]);
    }
  }

  /** The events that {@link waitFor} did not take yet. */
  get pendingEvents(): readonly SocketEvent[] {
    return this.#events;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await gone;
  }
}
