import { rmSync, writeFileSync } from "node:fs";
import { must, Program, execute } from "@dp/test-kit/program.ts";
import { type ContainerEngine, Scratch } from "./engine.ts";
import { COMMAND } from "./root-filesystem.ts";

/** What the tests do not need, and would say that it cannot start. */
const DISABLED = ["grpc.v1.cri", "snapshotter.v1.aufs", "snapshotter.v1.btrfs", "snapshotter.v1.devmapper"];

/** A containerd of the test's own, asked by ctr, with its socket where it always is: in /run, the sandbox's own. */
export class Containerd implements ContainerEngine {
  readonly name = "ctr";
  readonly env = {};
  readonly #scratch: Scratch;
  readonly #daemon: Program;
  readonly #containers = new Set<string>();

  private constructor(scratch: Scratch, daemon: Program) {
    this.#scratch = scratch;
    this.#daemon = daemon;
  }

  static async start(): Promise<Containerd> {
    const scratch = new Scratch();
    const config = scratch.path("config.toml");
    const plugins = DISABLED.map((name) => `"io.containerd.${name}"`).join(", ");
    writeFileSync(
      config,
      [
        "version = 2",
        `root = "${scratch.path("storage")}"`,
        // Anything lower takes a privilege that root does not have everywhere.
        "oom_score = 0",
        `disabled_plugins = [${plugins}]`,
        "",
      ].join("\n"),
    );
    const daemon = new Program(["containerd", "--config", config]);
    const started = new Containerd(scratch, daemon);
    for (let asked = 0; (await execute(["ctr", "version"])).code !== 0; asked++) {
      if (asked === 600) throw new Error("containerd does not answer");
      await Bun.sleep(100);
    }
    return started;
  }

  async run(container: string): Promise<void> {
    const options = ["--detach", "--rootfs", "--cgroup", `${this.#scratch.cgroup}/${container}`];
    this.#containers.add(container);
    await must(["ctr", "run", ...options, this.#scratch.root(container), container, ...COMMAND]);
  }

  async stop(container: string): Promise<void> {
    await must(["ctr", "tasks", "kill", "--signal", "SIGKILL", container]);
    // Fails until the process is gone; says with its own exit status that the task had another than 0.
    while ((await must(["ctr", "tasks", "list"])).includes(`${container} `)) {
      await execute(["ctr", "tasks", "delete", container]);
    }
  }

  async start(container: string): Promise<void> {
    await must(["ctr", "tasks", "start", "--detach", container]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const container of this.#containers) {
      await execute(["ctr", "tasks", "delete", "--force", container]);
      await execute(["ctr", "containers", "delete", container]);
    }
    await this.#daemon[Symbol.asyncDispose]();
    rmSync("/run/containerd", { recursive: true, force: true });
    await this.#scratch[Symbol.asyncDispose]();
  }
}
