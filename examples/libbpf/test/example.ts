import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";

const ROOT = join(import.meta.dirname, "..");

/** How a user may run it: the source under Bun, what was built under Node. */
const RUNTIMES = {
  bun: (name: string) => [process.execPath, join(ROOT, "src", `${name}.ts`)],
  node: (name: string) => ["node", join(ROOT, "dist", `${name}.js`)],
} as const;

export type Runtime = keyof typeof RUNTIMES;

/** An example that runs. Disposed of, it is killed. */
export class Example implements AsyncDisposable {
  readonly #process: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #lines: AsyncIterator<string>;
  #complaints = "";
  #ready: () => void = () => {};

  private constructor(command: string[]) {
    this.#process = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
    const lines = createInterface({ input: Readable.fromWeb(this.#process.stdout as never) });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  static start(runtime: Runtime, name: string, ...args: string[]): Promise<Example> {
    return Example.run(...RUNTIMES[runtime](name), ...args);
  }

  /** Returns when it says that it is at work. */
  static async run(...command: string[]): Promise<Example> {
    const example = new Example(command);
    const ready = new Promise<void>((resolve) => (example.#ready = resolve));
    void example.#listen();
    const ended = example.#process.exited.then(() => "ended");
    if ((await Promise.race([ready, ended])) === "ended")
      throw new Error(`${command.join(" ")} ended: ${example.#complaints}`);
    return example;
  }

  async #listen(): Promise<void> {
    for await (const chunk of this.#process.stderr) {
      this.#complaints += new TextDecoder().decode(chunk);
      if (this.#complaints.includes("Ctrl-C ends it")) this.#ready();
    }
  }

  /** What it said when it started. */
  get greeting(): string {
    return this.#complaints.trim();
  }

  /** The next line it prints. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`it prints no more: ${this.#complaints}`);
    return value;
  }

  /** Ends it as Ctrl-C does: the lines it still printed. */
  async stop(): Promise<string[]> {
    this.#process.kill("SIGINT");
    const lines: string[] = [];
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done === true) break;
      lines.push(value);
    }
    const status = await this.#process.exited;
    if (status !== 0) throw new Error(`it ended with ${status}: ${this.#complaints}`);
    return lines;
  }

  /** Ends it as nothing can prepare for. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
