import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { removeCgroup } from "@dp/test-kit/cgroup.ts";
import { must, type Output, type Program, ProgramError, execute } from "@dp/test-kit/program.ts";
import { DP } from "../topology/dp.ts";
import type { NetworkNamespace } from "../topology/namespace.ts";

/** What is tested. */
export const UNITS = join(import.meta.dirname, "../../../examples/systemd");

const BOOT = join(import.meta.dirname, "boot");

/**
 * A host of the topology that was booted: with a real systemd as its process 1, the units of examples/systemd enabled,
 * and mounts, processes and cgroups of its own.
 */
export class Booted implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "booted-"));
  readonly #cgroup: string;
  readonly #host: NetworkNamespace;
  #systemd: Program | undefined;
  #pid = 0;

  private constructor(host: NetworkNamespace, cgroup2: string) {
    this.#host = host;
    this.#cgroup = join(cgroup2, `datapath-test-${basename(this.#folder)}`);
  }

  /** @param settings the lines of /etc/default/datapath */
  static async boot(host: NetworkNamespace, settings: readonly string[] = []): Promise<Booted> {
    const find = ["findmnt", "--noheadings", "--output", "TARGET", "--first-only", "--types", "cgroup2"];
    const booted = new Booted(host, (await must(find)).trim());
    try {
      writeFileSync(join(booted.#folder, "datapath.default"), settings.map((line) => `${line}\n`).join(""));
      await booted.#start();
      return booted;
    } catch (error) {
      await booted[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(): Promise<void> {
    mkdirSync(this.#cgroup);
    const console = join(this.#folder, "console");
    writeFileSync(console, "");
    const namespaces = [
      "--pid",
      "--mount",
      "--uts",
      "--ipc",
      "--cgroup",
      "--fork",
      "--kill-child=KILL",
      "--mount-proc",
    ];
    const enter = `echo $$ >${this.#cgroup}/cgroup.procs && exec "$@"`;
    const boot = ["unshare", ...namespaces, "--", BOOT, UNITS, DP, this.#folder];
    const systemd = this.#host.spawn(["sh", "-ec", enter, "sh", ...boot]);
    this.#systemd = systemd;
    for (let looks = 0; this.#pid === 0 || !(await this.#isUp()); looks++) {
      if (systemd.ended) {
        const { stdout, stderr } = await systemd.finished();
        throw new ProgramError(`systemd ended:\n${stdout}${stderr}${this.console}`);
      }
      if (looks === 1200) throw new ProgramError(`systemd does not come up:\n${this.console}`);
      await Bun.sleep(50);
      this.#pid ||= firstChild(systemd.pid);
    }
  }

  /** Whether every unit has started or failed to. */
  async #isUp(): Promise<boolean> {
    const { stdout } = await this.run("systemctl", "is-system-running");
    return ["running", "degraded"].includes(stdout.trim());
  }

  /** What systemd has said. */
  get console(): string {
    return readFileSync(join(this.#folder, "console"), "utf8");
  }

  /** Runs a command there, as an administrator would in a shell. */
  run(...command: string[]): Promise<Output> {
    const target = ["--target", `${this.#pid}`, "--mount", "--pid", "--net", "--cgroup"];
    // Before it is mounted in there, this would make a file of that name on the machine.
    const inside = `[ ! -e /sys/fs/cgroup/cgroup.procs ] || echo 0 >/sys/fs/cgroup/cgroup.procs; exec "$@"`;
    return execute(["nsenter", ...target, "--", "sh", "-c", inside, "sh", ...command]);
  }

  async must(...command: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...command);
    if (code !== 0) throw new ProgramError(`${command.join(" ")}: ${code}\n${stdout}${stderr}\n${this.console}`);
    return stdout;
  }

  /** `systemctl show` of a unit, the properties that are asked for. */
  async show(unit: string, ...properties: string[]): Promise<Record<string, string>> {
    const text = await this.must("systemctl", "show", unit, `--property=${properties.join(",")}`);
    return Object.fromEntries(
      text
        .trim()
        .split("\n")
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#systemd?.[Symbol.asyncDispose]();
    await removeCgroup(this.#cgroup);
    rmSync(this.#folder, { recursive: true });
  }
}

/** Process 1 of the namespaces that a process has made; 0 before there is one, or when that process has ended. */
function firstChild(pid: number): number {
  try {
    const [child = "0"] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
    return Number(child);
  } catch {
    return 0;
  }
}
