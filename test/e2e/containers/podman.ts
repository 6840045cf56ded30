import { writeFileSync } from "node:fs";
import { must, execute } from "@dp/test-kit/program.ts";
import { type ContainerEngine, Scratch } from "./engine.ts";
import { COMMAND } from "./root-filesystem.ts";

/** podman, by runc, with its configuration, its storage and its locks in a folder that goes with it. */
export class Podman implements ContainerEngine {
  readonly name = "podman";
  readonly env: Readonly<Record<string, string>>;
  readonly #scratch = new Scratch();
  readonly #containers = new Set<string>();

  constructor() {
    const path = (name: string) => this.#scratch.path(name);
    writeFileSync(
      path("containers.conf"),
      [
        "[engine]",
        'runtime = "runc"',
        // No systemd to ask, no journal to write to, nothing in the machine's /dev/shm.
        'cgroup_manager = "cgroupfs"',
        'events_logger = "file"',
        'lock_type = "file"',
        `tmp_dir = "${path("tmp")}"`,
        "[containers]",
        // Its own default is more than this process may have itself.
        'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]',
        "",
      ].join("\n"),
    );
    writeFileSync(
      path("storage.conf"),
      ["[storage]", 'driver = "vfs"', `graphroot = "${path("graph")}"`, `runroot = "${path("run")}"`, ""].join("\n"),
    );
    this.env = { CONTAINERS_CONF: path("containers.conf"), CONTAINERS_STORAGE_CONF: path("storage.conf") };
  }

  /**
   * @param network as `podman run --network` takes it
   * @returns the container's id
   */
  async run(container: string, network = "none"): Promise<string> {
    const root = this.#scratch.root(container);
    const options = ["--network", network, "--cgroup-parent", this.#scratch.cgroup];
    this.#containers.add(container);
    const id = await this.#podman("run", "--detach", "--name", container, ...options, "--rootfs", root, ...COMMAND);
    return id.trim();
  }

  async stop(container: string): Promise<void> {
    await this.#podman("stop", "--time", "0", container);
  }

  async start(container: string): Promise<void> {
    await this.#podman("start", container);
  }

  async #podman(...args: string[]): Promise<string> {
    return await must(["podman", ...args], { env: this.env });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const container of this.#containers) {
      await execute(["podman", "rm", "--force", "--time", "0", container], { env: this.env });
    }
    await this.#scratch[Symbol.asyncDispose]();
  }
}
