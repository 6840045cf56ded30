import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { removeCgroup } from "@dp/test-kit/cgroup.ts";
import { makeRootFilesystem } from "./root-filesystem.ts";

/** A real container engine, with storage and cgroups of its own. Disposing of it ends its containers first. */
export interface ContainerEngine extends AsyncDisposable {
  /** As `dp` names it. */
  readonly name: string;
  /** What `dp` needs in its environment to ask this engine and no other of its kind. */
  readonly env: Readonly<Record<string, string>>;
  /** Starts a container without a network, which serves what traffic/server.ts does on port 25565. */
  run(container: string): Promise<unknown>;
  /** Kills what runs in it. The container can be started again. */
  stop(container: string): Promise<void>;
  start(container: string): Promise<void>;
}

/** What every engine of the tests has: a folder and a cgroup. */
export class Scratch implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "containers-"));
  /** For the containers' own below it, in every hierarchy there is. */
  readonly cgroup = `/datapath-test-${basename(this.folder)}`;
  readonly #roots = new Set<string>();

  path(name: string): string {
    return join(this.folder, name);
  }

  /** A container's root filesystem. */
  root(container: string): string {
    const folder = this.path(`root-${container}`);
    if (!this.#roots.has(folder)) makeRootFilesystem(folder);
    this.#roots.add(folder);
    return folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#abandoned();
    for (const hierarchy of ["", ...hierarchies()]) await removeCgroup(join("/sys/fs/cgroup", hierarchy, this.cgroup));
    rmSync(this.folder, { recursive: true });
  }

  /**
   * An engine has its helpers tidy up a while after a container has ended. Without this folder they would make it
   * anew, or, without the configuration in it, take the machine's own.
   */
  async #abandoned(): Promise<void> {
    for (let looks = 0; commandLines().some((command) => command.includes(this.folder)); looks++) {
      if (looks === 600) throw new Error(`a process still works in ${this.folder}`);
      await Bun.sleep(50);
    }
  }
}

/** The hierarchies of version 1, where a machine has them; on others, cgroups of the one of version 2. */
function hierarchies(): string[] {
  const entries = readdirSync("/sys/fs/cgroup", { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

function commandLines(): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8");
    } catch {
      // It ended meanwhile.
      return [];
    }
  });
}
