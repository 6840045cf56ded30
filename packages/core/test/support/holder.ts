import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** What a holder says: that a socket listens, is connected, has an error (with its code), ... */
export interface Said {
  what: string;
  name?: string;
  code?: string;
  text?: string;
}

/** A process of its own, in a network namespace and perhaps a cgroup, that holds sockets: see holder.mjs. */
export class Holder implements AsyncDisposable {
  readonly #process;
  readonly #said: Said[] = [];
  #wake: () => void = () => undefined;

  /**
   * @param netns path of its network namespace
   * @param cgroup path of its cgroup; the test's own when left out
   */
  constructor(netns: string, cgroup?: string) {
    const script = join(import.meta.dirname, "holder.mjs");
    const enter = cgroup === undefined ? "" : `echo $$ > ${cgroup}/cgroup.procs && `;
    const command = `${enter}exec nsenter --net=${netns} node ${script}`;
    this.#process = spawn("bash", ["-c", command], { stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: this.#process.stdout }).on("line", (line) => {
      this.#said.push(JSON.parse(line) as Said);
      this.#wake();
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  do(...command: unknown[]): void {
    this.#process.stdin.write(`${JSON.stringify(command)}\n`);
  }

  /** The next thing it says that is one of these. One waits at a time. */
  async hears(...wanted: Partial<Said>[]): Promise<Said> {
    const deadline = performance.now() + 4000;
    for (;;) {
      const at = this.#said.findIndex((said) =>
        wanted.some((each) => Object.entries(each).every(([key, value]) => said[key as keyof Said] === value)),
      );
      if (at >= 0) return this.#said.splice(at, 1)[0] as Said;
      const left = deadline - performance.now();
      if (left <= 0) {
        throw new Error(`waited for ${JSON.stringify(wanted)}, heard ${JSON.stringify(this.#said)}`);
      }
      await Promise.race([
        new Promise<void>((resolve) => void (this.#wake = resolve)),
        new Promise((resolve) => setTimeout(resolve, left)),
      ]);
    }
  }

  /** What it said that nobody waited for yet. */
  get unheard(): readonly Said[] {
    return this.#said;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await gone;
  }
}
