import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { must, execute } from "@dp/test-kit/program.ts";
import { type ContainerEngine, Scratch } from "./engine.ts";
import { COMMAND } from "./root-filesystem.ts";

/** The parts of config.json that the tests change. */
interface Specification {
  process: { terminal: boolean; args: readonly string[]; rlimits?: unknown };
  root: { path: string; readonly: boolean };
  linux: { cgroupsPath?: string };
}

/** runc alone, with its state where it always is: in /run, which is the sandbox's own. */
export class Runc implements ContainerEngine {
  readonly name = "runc";
  readonly env = {};
  readonly #scratch = new Scratch();
  readonly #containers = new Set<string>();

  async run(container: string): Promise<void> {
    const bundle = this.#bundle(container);
    mkdirSync(bundle);
    await must(["runc", "spec", "--bundle", bundle]);
    const config = `${bundle}/config.json`;
    // Its network namespace is a new one, with nothing but a loopback in it.
    const specification = JSON.parse(readFileSync(config, "utf8")) as Specification;
    specification.process.terminal = false;
    specification.process.args = COMMAND;
    delete specification.process.rlimits;
    specification.root = { path: this.#scratch.root(container), readonly: false };
    specification.linux.cgroupsPath = `${this.#scratch.cgroup}/${container}`;
    writeFileSync(config, JSON.stringify(specification));
    this.#containers.add(container);
    await this.start(container);
  }

  /** What runc stopped it forgets too: its bundle is all that is left. */
  async stop(container: string): Promise<void> {
    await must(["runc", "delete", "--force", container]);
  }

  /** The container keeps the streams it is given: pipes would be waited on for ever. */
  async start(container: string): Promise<void> {
    const log = this.#scratch.path(`${container}.log`);
    const detached = `runc --log '${log}' run --detach --bundle "$1" "$2" <&- >/dev/null 2>&1 || { cat '${log}'; exit 1; }`;
    await must(["sh", "-c", detached, "sh", this.#bundle(container), container]);
  }

  #bundle(container: string): string {
    return this.#scratch.path(`bundle-${container}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const container of this.#containers) await execute(["runc", "delete", "--force", container]);
    await this.#scratch[Symbol.asyncDispose]();
  }
}
