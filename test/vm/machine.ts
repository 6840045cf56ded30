import { rmSync } from "node:fs";
import { join } from "node:path";
import { writeInitramfs } from "./initramfs.ts";
import type { Kernel } from "./kernel.ts";

/** MiB. Much less, and the kernel cuts the initramfs short without a word. */
const MEMORY = 1024;

/** The last line of a machine that did what it was to do: qemu's exit status is the same after a panic. */
const DONE = "dp-vm: done";

const QEMU = "qemu-system-x86_64";

/** Throws when there is nothing to boot with. */
export function requireEmulator(): void {
  if (Bun.which(QEMU) === null) throw new Error(`${QEMU} is not installed: run tools/bootstrap --tests`);
}

/**
 * Never KVM: where this runs, it may be a machine in a machine that has only the device file of it. And a timer that
 * does not tick while the host is busy is no reason to panic (no_timer_check).
 */
function command(kernel: Kernel, initramfs: string, run: string): string[] {
  const words = `console=ttyS0 quiet panic=-1 no_timer_check dp.run=${run}`;
  const options = [
    `-accel tcg,thread=multi -cpu max -M q35 -smp 1 -m ${MEMORY}`,
    "-nodefaults -no-user-config -display none -no-reboot -serial stdio",
  ].flatMap((line) => line.split(" "));
  const files = ["-kernel", kernel.image, "-initrd", initramfs];
  // It must not go on when the process that waits for it is gone.
  const boundToUs = ["setpriv", "--pdeathsig", "KILL", "--"];
  return [...boundToUs, QEMU, ...options, ...files, "-append", words];
}

/** How a machine ended. */
export interface Outcome {
  /** Whether it ended by itself, at the end of what it was to do. */
  readonly done: boolean;
  /** All it wrote to its console. */
  readonly console: string;
}

export interface BootOptions {
  /** A folder for files that are large and may go after this. */
  readonly folder: string;
  /** See writeBase. */
  readonly base: string;
  /** What the machine runs: a script in test/vm/guest. */
  readonly run: string;
  /** Told of every line of the console. */
  readonly onLine?: (line: string) => void;
  readonly timeoutMs?: number;
}

/** A quarter of an hour, almost: an emulated processor, and perhaps a busy real one. */
const TIMEOUT_MS = 840_000;

/** Boots a kernel, has it run a script, and waits for the end. */
export async function boot(kernel: Kernel, options: BootOptions): Promise<Outcome> {
  const { folder, base, run, onLine, timeoutMs = TIMEOUT_MS } = options;
  const initramfs = join(folder, `${kernel.name}-${run}.cpio`);
  writeInitramfs(initramfs, base, kernel);
  const machine = Bun.spawn(command(kernel, initramfs, run), { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const timer = setTimeout(() => machine.kill("SIGKILL"), timeoutMs);
  try {
    let console = "";
    let rest = "";
    const stderr = new Response(machine.stderr).text();
    for await (const chunk of machine.stdout.pipeThrough(new TextDecoderStream())) {
      console += chunk;
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine?.(line.trimEnd());
    }
    console += await stderr;
    const status = await machine.exited;
    return { done: status === 0 && console.split(/\r?\n/).includes(DONE), console };
  } finally {
    clearTimeout(timer);
    machine.kill("SIGKILL");
    rmSync(initramfs, { force: true });
  }
}

/** Boots a kernel into a shell at this terminal. */
export async function bootShell(kernel: Kernel, { folder, base }: Pick<BootOptions, "folder" | "base">): Promise<void> {
  const initramfs = join(folder, `${kernel.name}-shell.cpio`);
  writeInitramfs(initramfs, base, kernel);
  const machine = Bun.spawn(command(kernel, initramfs, "shell"), { stdio: ["inherit", "inherit", "inherit"] });
  await machine.exited;
}
