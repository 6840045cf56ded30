import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { isBpffs, unmount } from "@dp/sys";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { execute } from "@dp/test-kit/program.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import type { Outcome } from "./terminal.ts";

export const EXECUTABLE = join(import.meta.dir, "..", "..", "dist", "dp");

export function requireExecutable(): void {
  if (!existsSync(EXECUTABLE)) {
    throw new Error("dist/dp is missing: run `bunx turbo run build --filter=@dp/cli`");
  }
  requireRoot();
}

/** A command that runs until a test ends it. */
export class Running implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;
  stdout = "";
  stderr = "";

  constructor([program = "", ...args]: string[], env: Record<string, string>) {
    this.#child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
    this.#child.stdout?.on("data", (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.#child.stderr?.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.#ended = new Promise((resolve) => {
      this.#child.on("close", (code, signal) => resolve(code ?? 128 + constants.signals[signal as NodeJS.Signals]));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get lines(): string[] {
    return this.stdout.split("\n").slice(0, -1);
  }

  /** Waits until it has written so many lines to its standard output. */
  async written(lines: number): Promise<void> {
    const deadline = performance.now() + 20_000;
    while (this.lines.length < lines) {
      if (performance.now() > deadline) throw new Error(`only wrote\n${this.stdout}${this.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The exit status; 128 + n when signal n ended it. */
  ended(): Promise<number> {
    return this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

/** A host for the executable: a network namespace with an uplink and a default route, and a pin root of its own. */
export class HostNamespace implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "clitest-"));
  readonly pinRoot = join(this.folder, "bpf");
  readonly #host = new NetworkNamespace();
  readonly #containers: NetworkNamespace[] = [];

  constructor() {
    this.#host.ip("link", "set", "lo", "up");
    this.#host.ip("link", "add", "up0", "type", "veth", "peer", "name", "net0");
    this.#host.ip("addr", "add", "203.0.113.10/24", "dev", "up0");
    for (const each of ["up0", "net0"]) this.#host.ip("link", "set", each, "up");
    this.#host.ip("route", "add", "default", "via", "203.0.113.1");
  }

  /** Makes a namespace for a container. Returns its name. */
  container(): string {
    const container = new NetworkNamespace("container");
    this.#containers.push(container);
    return container.name;
  }

  /** Runs the executable on this host. */
  dp(args: string[], env: Record<string, string> = {}): Promise<Outcome> {
    return execute(this.#host.command(EXECUTABLE, ...args), { env: { DP_PIN_ROOT: this.pinRoot, ...env } });
  }

  readonly executable = EXECUTABLE;

  /** Starts it, for a test that ends it. */
  start(args: string[]): Running {
    return this.startOther([EXECUTABLE, ...args]);
  }

  /** Starts another program on this host. */
  startOther(command: string[]): Running {
    return new Running(this.#host.command(...command), { DP_PIN_ROOT: this.pinRoot });
  }

  /** Runs another program on this host. */
  other(command: string[]): Promise<Outcome> {
    return execute(this.#host.command(...command));
  }

  /** The start of a command line that runs a command on this host. */
  get inside(): string[] {
    return this.#host.command();
  }

  [Symbol.dispose](): void {
    for (const namespace of [this.#host, ...this.#containers]) namespace[Symbol.dispose]();
    while (isBpffs(this.pinRoot)) unmount(this.pinRoot);
    rmSync(this.folder, { recursive: true });
  }
}
