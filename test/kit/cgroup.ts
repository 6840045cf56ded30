import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** A new, empty cgroup at the top of the machine's cgroup2 mount. */
export class Cgroup implements Disposable {
  readonly path: string;

  constructor() {
    const mount = readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .map((line) => line.split(" "))
      .find(([, , type]) => type === "cgroup2");
    if (mount?.[1] === undefined) throw new Error("no cgroup2 is mounted");
    // Random names: all sandboxes share the machine's cgroups, and two sandboxes can have the same process id.
    this.path = mkdtempSync(join(mount[1], "dptest-"));
  }

  /** Runs a bash script in it. Returns its exit status and its standard error. */
  bash(script: string): { status: number | null; stderr: string } {
    const enter = `echo $$ > ${this.path}/cgroup.procs && `;
    return spawnSync("bash", ["-c", enter + script], { encoding: "utf8" });
  }

  remove(): void {
    rmdirSync(this.path);
  }

  [Symbol.dispose](): void {
    try {
      this.remove();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

/** Removes a cgroup and those below it, if it exists. Waits up to 30 s for the processes in them to end. */
export async function removeCgroup(path: string): Promise<void> {
  for (let tries = 0; !removeFolders(path); tries++) {
    if (tries === 600) throw new Error(`there are still processes in the cgroup ${path}`);
    await Bun.sleep(50);
  }
}

/** Removes the folders only: the kernel removes a cgroup's files with them. False when there are processes in it. */
function removeFolders(folder: string): boolean {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return true;
  try {
    const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    if (!folders.map(({ name }) => removeFolders(join(folder, name))).every(Boolean)) return false;
    rmdirSync(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EBUSY") throw error;
    return false;
  }
}
