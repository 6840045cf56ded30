import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { execute } from "@dp/test-kit/program.ts";
import type { Outcome } from "./terminal.ts";

/** A package manager that is busy on two cores takes long. */
const INSTALLING_MS = 300_000;

/**
 * This machine's root as it is, to install packages into: what is written goes elsewhere, and away with it. dpkg knows
 * the packages the machine has, and tells when one is missing.
 */
export class InstalledRoot implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "installed-"));
  readonly path = join(this.#folder, "root");
  readonly #mounts: string[] = [];

  static async make(): Promise<InstalledRoot> {
    if (process.env["SANDBOX"] !== "1") throw new Error("this mounts: run it in tools/sandbox");
    const made = new InstalledRoot();
    const [upper, work] = ["upper", "work"].map((name) => join(made.#folder, name)) as [string, string];
    for (const folder of [upper, work, made.path]) mkdirSync(folder);
    const options = `lowerdir=/,upperdir=${upper},workdir=${work}`;
    await made.#mount(made.path, "-t", "overlay", "-o", options, "overlay");
    for (const name of ["proc", "sys", "dev", "run"]) await made.#mount(join(made.path, name), "--rbind", `/${name}`);
    return made;
  }

  async #mount(target: string, ...args: string[]): Promise<void> {
    const { code, stderr } = await execute(["mount", ...args, target]);
    if (code !== 0) throw new Error(`mount ${target}: ${stderr}`);
    this.#mounts.unshift(target);
  }

  /** Runs a command in there; the environment is that command's alone: `chroot` itself is found by ours. */
  run(command: string[], env: Record<string, string> = {}): Promise<Outcome> {
    const set = Object.entries({ LC_ALL: "C.UTF-8", ...env }).map(([name, value]) => `${name}=${value}`);
    return execute(["chroot", this.path, "env", ...set, ...command], { timeoutMs: INSTALLING_MS });
  }

  /** The same, on a host of the tests: what is put before a command there is passed. */
  runInside(inside: string[], command: string[], env: Record<string, string> = {}): Promise<Outcome> {
    return execute([...inside, "chroot", this.path, ...command], { env, timeoutMs: INSTALLING_MS });
  }

  /** Puts a file there. Its path in there. */
  put(file: string): string {
    const path = join("/root", basename(file));
    copyFileSync(file, join(this.path, path));
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const target of this.#mounts) await execute(["umount", "--lazy", "--recursive", target]);
    rmSync(this.#folder, { recursive: true });
  }
}
