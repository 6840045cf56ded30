/** What a finished program left. */
export interface Output {
  /** The exit status; 128 + n when signal n ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One line of a program's standard output, as JSON. */
export type Event = { readonly event: string } & Readonly<Record<string, unknown>>;

export class ProgramError extends Error {
  override readonly name = "ProgramError";
}

/** How many times slower than usual this machine is: test/vm runs programs on emulated processors. */
export const SLOWNESS = Number(process.env["SLOWNESS"] ?? 1);

/** How long to wait for a program to end or to print something. Long: the machine has two cores and other work. */
const PATIENCE_MS = 60_000 * SLOWNESS;

/**
 * A running program that reports events as JSON lines on standard output: `{"event": "listening", ...}`.
 *
 * It keeps all output, so a test can wait for something that was printed before.
 */
export class Program implements AsyncDisposable {
  readonly command: readonly string[];
  readonly events: Event[] = [];
  readonly #process: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #finished: Promise<Output>;
  readonly #waiting = new Set<() => void>();
  #ended = false;
  #stdout = "";
  #stderr = "";

  constructor(command: readonly string[], options: { env?: Record<string, string> | undefined } = {}) {
    this.command = command;
    this.#process = Bun.spawn([...command], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, ...options.env },
    });
    this.#finished = this.#follow();
  }

  get pid(): number {
    return this.#process.pid;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Waits for the end. Throws {@link ProgramError} when it takes longer than `timeoutMs`. */
  async finished(timeoutMs = PATIENCE_MS): Promise<Output> {
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), timeoutMs);
    const start = performance.now();
    const output = await this.#finished;
    clearTimeout(timer);
    if (performance.now() - start >= timeoutMs) throw this.#failure(`not done after ${timeoutMs} ms`);
    return output;
  }

  /** Waits for the `count`-th event of this name. Throws {@link ProgramError} when the program ends without it. */
  event(name: string, count = 1, timeoutMs = PATIENCE_MS): Promise<Event> {
    return this.#until(name, timeoutMs, () => this.events.filter(({ event }) => event === name)[count - 1]);
  }

  /** Waits until its standard output contains this. Throws {@link ProgramError} when the program ends without it. */
  async printed(text: string, timeoutMs = PATIENCE_MS): Promise<void> {
    await this.#until(text, timeoutMs, () => this.#stdout.includes(text) || undefined);
  }

  /** {@link printed} for its standard error. */
  async printedError(text: string, timeoutMs = PATIENCE_MS): Promise<void> {
    await this.#until(text, timeoutMs, () => this.#stderr.includes(text) || undefined);
  }

  async #until<T>(what: string, timeoutMs: number, find: () => T | undefined): Promise<T> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (this.#ended) throw this.#failure(`ended without "${what}"`);
      const left = deadline - performance.now();
      if (left <= 0) throw this.#failure(`no "${what}" in ${timeoutMs} ms`);
      await this.#news(left);
    }
  }

  /** Waits for a line of standard output that matches. Throws {@link ProgramError} when the program ends without it. */
  async line(pattern: RegExp, timeoutMs = PATIENCE_MS): Promise<string> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      // The last one may not be complete yet.
      const found = this.#stdout
        .split("\n")
        .slice(0, -1)
        .find((line) => pattern.test(line));
      if (found !== undefined) return found;
      if (this.#ended) throw this.#failure(`ended without ${pattern}`);
      const left = deadline - performance.now();
      if (left <= 0) throw this.#failure(`no ${pattern} in ${timeoutMs} ms`);
      await this.#news(left);
    }
  }

  kill(signal: NodeJS.Signals = "SIGTERM"): void {
    this.#process.kill(signal);
  }

  /** Kills it, and waits until it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#finished;
  }

  #news(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      this.#waiting.add(wake);
    });
  }

  async #follow(): Promise<Output> {
    const stderr = (async () => {
      for await (const chunk of this.#process.stderr.pipeThrough(new TextDecoderStream())) {
        this.#stderr += chunk;
        for (const wake of this.#waiting) wake();
      }
    })();
    let rest = "";
    for await (const chunk of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
      this.#stdout += chunk;
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      this.events.push(...lines.flatMap(toEvent));
      for (const wake of this.#waiting) wake();
    }
    await stderr;
    const status = await this.#process.exited;
    this.#ended = true;
    for (const wake of this.#waiting) wake();
    return { code: status, stdout: this.#stdout, stderr: this.#stderr };
  }

  #failure(what: string): ProgramError {
    return new ProgramError(`${this.command.join(" ")}: ${what}\n${this.#stdout}${this.#stderr}`);
  }
}

function toEvent(line: string): Event[] {
  if (!line.startsWith('{"event":')) return [];
  return [JSON.parse(line) as Event];
}

/** How {@link execute} and {@link must} run a program. */
export interface ExecuteOptions {
  /** Variables besides those of this process. */
  readonly env?: Record<string, string>;
  /** Throws {@link ProgramError} when the program takes longer. Default: a minute. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end, whatever its exit status. */
export async function execute(command: readonly string[], options: ExecuteOptions = {}): Promise<Output> {
  await using program = new Program(command, options);
  return await program.finished(options.timeoutMs);
}

/** Runs a program that must succeed, and returns its standard output. */
export async function must(command: readonly string[], options: ExecuteOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await execute(command, options);
  if (code !== 0) throw new ProgramError(`${command.join(" ")}: exit status ${code}\n${stdout}${stderr}`);
  return stdout;
}
