import { mkdtempSync, readdirSync, readFileSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Makes a cgroup of its own for a test file, with nobody in it. Returns its folder. */
export function makeCgroup(): string {
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  const mount = mounts.map((line) => line.split(" ")).find(([, , type]) => type === "cgroup2")?.[1];
  if (mount === undefined) throw new Error("no cgroup2 is mounted");
  // Cgroups are the machine's, process numbers a sandbox's own: another one may have the same.
  return mkdtempSync(join(mount, "dp-e2e-"));
}

/** Removes a cgroup and those below it, if it is there. Waits for the processes in it, which must be about to end. */
export async function removeCgroup(folder: string): Promise<void> {
  for (let tries = 0; !removeFolders(folder); tries++) {
    if (tries === 600) throw new Error(`there is still somebody in the cgroup ${folder}`);
    await Bun.sleep(50);
  }
}

/** A cgroup's files cannot be removed: they go with its folder. False when there are processes in it. */
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
