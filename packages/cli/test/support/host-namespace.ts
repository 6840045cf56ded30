import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
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

  [Symbol.dispose](): void {
    for (const name of this.#namespaces) ip("netns", "delete", name);
    while (isBpffs(this.pinRoot)) unmount(this.pinRoot);
    rmSync(this.folder, { recursive: true });
  }
}
