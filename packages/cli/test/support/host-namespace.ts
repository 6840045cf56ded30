import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { isBpffs, unmount } from "@dp/sys";
import type { Outcome } from "./terminal.ts";

export const EXECUTABLE = join(import.meta.dir, "..", "..", "dist", "dp");

export function requireExecutable(): void {
  if (!existsSync(EXECUTABLE)) {
    throw new Error("there is no dist/dp yet: `bunx turbo run build --filter=@dp/cli` makes it");
  }
  if (process.getuid?.() !== 0) throw new Error("these tests make network namespaces: run them as root");
}

/** Runs a program to its end. */
export async function execute(program: string, args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number>((closed, failed) => child.on("close", (status) => closed(status ?? -1)).on("error", failed)),
  ]);
  return { code, stdout, stderr };
}

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
}

/** A command that goes on until it is told to stop. */
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
  readonly #id = `clitest-${randomBytes(4).toString("hex")}`;
  readonly folder = mkdtempSync(join(tmpdir(), "clitest-"));
  readonly pinRoot = join(this.folder, "bpf");
  readonly #namespaces: string[] = [];

  constructor() {
    const host = this.#namespace("host");
    ip("-n", host, "link", "set", "lo", "up");
    ip("-n", host, "link", "add", "up0", "type", "veth", "peer", "name", "net0");
    ip("-n", host, "addr", "add", "203.0.113.10/24", "dev", "up0");
    for (const each of ["up0", "net0"]) ip("-n", host, "link", "set", each, "up");
    ip("-n", host, "route", "add", "default", "via", "203.0.113.1");
  }

  #namespace(name: string): string {
    const full = `${this.#id}-${name}`;
    ip("netns", "add", full);
    this.#namespaces.push(full);
    return full;
  }

  container(): string {
    return this.#namespace(`c${this.#namespaces.length}`);
  }

  /** Runs the executable on this host. */
  dp(args: string[], env: Record<string, string> = {}): Promise<Outcome> {
    const host = `--net=/run/netns/${this.#namespaces[0]}`;
    return execute("nsenter", [host, EXECUTABLE, ...args], { DP_PIN_ROOT: this.pinRoot, ...env });
  }

  readonly executable = EXECUTABLE;

  /** Starts it, for a test that ends it. */
  start(args: string[]): Running {
    return this.startOther([EXECUTABLE, ...args]);
  }

  /** Starts another program on this host. */
  startOther(command: string[]): Running {
    return new Running([...this.inside, ...command], { DP_PIN_ROOT: this.pinRoot });
  }

  /** Runs another program on this host. */
  other(command: string[]): Promise<Outcome> {
    const [program = "", ...args] = [...this.inside, ...command];
    return execute(program, args);
  }

  /** Put before a command, has it run on this host. */
  get inside(): string[] {
    return ["nsenter", `--net=/run/netns/${this.#namespaces[0]}`];
  }

  [Symbol.dispose](): void {
    for (const name of this.#namespaces) ip("netns", "delete", name);
    while (isBpffs(this.pinRoot)) unmount(this.pinRoot);
    rmSync(this.folder, { recursive: true });
  }
}
