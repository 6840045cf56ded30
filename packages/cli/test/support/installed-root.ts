import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { execute } from "@dp/test-kit/program.ts";
import type { Outcome } from "./terminal.ts";

/** A package manager that is busy on two cores takes long. */
const INSTALLING_MS = 300_000;

/**
 * An overlay over this machine's root, to install packages into. dpkg knows the machine's packages there, and reports a
 * missing one.
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

  /** Runs a command in it. The environment is only for that command: `chroot` is found by the PATH of the test. */
  run(command: string[], env: Record<string, string> = {}): Promise<Outcome> {
    const set = Object.entries({ LC_ALL: "C.UTF-8", ...env }).map(([name, value]) => `${name}=${value}`);
    return execute(["chroot", this.path, "env", ...set, ...command], { timeoutMs: INSTALLING_MS });
  }

  /** Runs a command in it and in a host's network namespace. @param inside see HostNamespace.inside */
  runInside(inside: string[], command: string[], env: Record<string, string> = {}): Promise<Outcome> {
    return execute([...inside, "chroot", this.path, ...command], { env, timeoutMs: INSTALLING_MS });
  }

  /** Copies a file into it. Returns the path in it. */
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
