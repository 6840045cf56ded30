import { join } from "node:path";
import type { ProxyOptions, ProxyStats } from "../src/index.ts";
import { PORTS, type Sandbox } from "./sandbox.ts";

/** One log entry, as `toJson` formats it. */
export interface LogLine {
  kind: string;
  transport: string;
  server: string | null;
  serverId: number | null;
  source: string;
  sourcePort: number;
  destination: string | null;
  destinationPort: number | null;
  host: string | null;
  question: string | null;
  questionType: string | null;
  rcode: string | null;
  resolver: string | null;
  rule: string | null;
  bytesOut: number;
  bytesIn: number;
  durationMs: number;
  outcome: string;
}

export type ProcessStats = ProxyStats & { memory: number; fds: number; cpuMs: number };

const PATIENCE_MS = 20_000;

/** The proxy of a test: a process in the sandbox's host namespace. */
export class ProxyUnderTest implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly log: LogLine[] = [];
  readonly warnings: string[] = [];
  readonly #ready = Promise.withResolvers<void>();
  #stats = Promise.withResolvers<ProcessStats>();
  #moved = Promise.withResolvers<unknown>();
  #taken = 0;
  static #last: ProxyUnderTest | undefined;

  static async start(
    sandbox: Sandbox,
    options: Partial<Omit<ProxyOptions, "identify" | "log" | "ports" | "signal">> = {},
    runtime = process.env["DP_TEST_RUNTIME"] ?? process.execPath,
  ): Promise<ProxyUnderTest> {
    // A test that timed out leaves its proxy running; the next one needs the ports.
    await ProxyUnderTest.#last?.[Symbol.asyncDispose]();
    const proxy = new ProxyUnderTest(sandbox, { ports: PORTS, ...options }, runtime);
    ProxyUnderTest.#last = proxy;
    await Promise.race([proxy.#ready.promise, proxy.exited.then(() => Promise.reject(new Error("the proxy ended")))]);
    return proxy;
  }

  private constructor(sandbox: Sandbox, options: object, runtime: string) {
    const script = join(import.meta.dir, "proxy-process.mjs");
    this.#child = Bun.spawn([...sandbox.enter("h"), runtime, script, JSON.stringify(options)], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    void this.#read();
  }

  async #read(): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const bytes of this.#child.stdout) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const [kind = "", value = "null"] = [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)];
        if (kind === "ready") this.#ready.resolve();
        else if (kind === "log") this.log.push(JSON.parse(value));
        else if (kind === "warn") this.warnings.push(JSON.parse(value));
        else if (kind === "moved") this.#moved.resolve(JSON.parse(value));
        else if (kind === "stats") {
          this.#stats.resolve(JSON.parse(value));
          this.#stats = Promise.withResolvers();
        }
      }
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  get exited(): Promise<number> {
    return this.#child.exited;
  }

  stats(): Promise<ProcessStats> {
    const { promise } = this.#stats;
    this.command("stats");
    return promise;
  }

  /** Moves the listeners. Resolves to the ports, or to the message of the error. */
  moveTo(ports: { http: number; dns: number; tcp: number }): Promise<unknown> {
    this.#moved = Promise.withResolvers();
    this.#child.stdin.write(`move ${JSON.stringify(ports)}\n`);
    void this.#child.stdin.flush();
    return this.#moved.promise;
  }

  /** `remove` removes the server "one"; `replace` gives its address to the server "three". */
  command(line: "stop" | "gc" | "stats" | "remove" | "replace"): void {
    this.#child.stdin.write(`${line}\n`);
    void this.#child.stdin.flush();
  }

  /** Waits for the next log entry that no call has returned yet. */
  async nextLog(): Promise<LogLine> {
    const deadline = performance.now() + PATIENCE_MS;
    while (this.log.length <= this.#taken) {
      if (performance.now() > deadline) throw new Error("the proxy logged nothing");
      await Bun.sleep(2);
    }
    return this.log[this.#taken++] as LogLine;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exited;
  }
}
