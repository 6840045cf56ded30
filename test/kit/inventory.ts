import { readdirSync, readFileSync, readlinkSync, statfsSync } from "node:fs";
import { must } from "./program.ts";

/**
 * Lists what a test could leave behind: namespaces, interfaces, bpffs mounts, pins, processes, and open files of this
 * process. In a sandbox only tests make these, so what is new after a test is a leak.
 */
export async function inventory(): Promise<string[]> {
  const namespaces = readdirIfThere("/run/netns");
  const links = [await interfaces("this sandbox", ["ip", "-j", "link"])];
  for (const name of namespaces) links.push(await interfaces(name, ["ip", "-n", name, "-j", "link"]));
  return [
    ...namespaces.map((name) => `network namespace ${name}`),
    ...links.flat(),
    ...mounts().flatMap((path) => [`bpffs mount ${path}`, ...pins(path)]),
    ...processes(),
    ...openFiles(),
  ].sort();
}

/** Returns what is new since `before`. Waits up to `patienceMs` for it to go: sockets and processes take a moment. */
export async function leaksSince(before: readonly string[], patienceMs = 3000): Promise<string[]> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const leaks = subtract(await inventory(), before);
    if (leaks.length === 0 || performance.now() > deadline) return leaks;
    await Bun.sleep(50);
  }
}

/** Subtracts multisets: two sockets where there was one is a leak. */
function subtract(these: readonly string[], those: readonly string[]): string[] {
  const rest = [...those];
  return these.filter((each) => {
    const index = rest.indexOf(each);
    if (index >= 0) rest.splice(index, 1);
    return index < 0;
  });
}

async function interfaces(where: string, command: string[]): Promise<string[]> {
  const links = JSON.parse(await must(command)) as { ifname: string }[];
  return links.map(({ ifname }) => `interface ${ifname} in ${where}`);
}

/** Whether a bpffs is visible there. Another mount can cover it: the sandbox's mount covers the machine's own. */
function isBpffs(path: string): boolean {
  const BPF_FS_MAGIC = 0xcafe4a11;
  return statfsSync(path).type === BPF_FS_MAGIC;
}

/** Every bpffs mount that can be reached. */
function mounts(): string[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, , type]) => type === "bpf")
    .map(([, path]) => path as string)
    .filter(isBpffs);
}

function pins(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && !entry.name.endsWith(".debug"))
    .map((entry) => `pin ${entry.parentPath}/${entry.name}`);
}

function processes(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        return command === "" ? [] : [`process ${command}`];
      } catch {
        return []; // gone meanwhile
      }
    });
}

function openFiles(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      // Only the kind: the kernel numbers them. Pipes are left out because the runtime opens its own.
      const kind = target.replace(/:\[\d+\]$/, "");
      return kind === "pipe" || kind.startsWith("/proc/") ? [] : [`open file ${kind}`];
    } catch {
      return [];
    }
  });
}

function readdirIfThere(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
