import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const PORT = 4873;

/** A real registry (verdaccio), on loopback, that knows of no other one: it has what was published to it. */
export class LocalRegistry {
  readonly url = `http://127.0.0.1:${PORT}/`;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async start(): Promise<void> {
    mkdirSync(this.#folder);
    const config = {
      storage: join(this.#folder, "storage"),
      web: { enable: false },
      auth: { htpasswd: { file: join(this.#folder, "htpasswd") } },
      uplinks: {},
      packages: { "**": { access: "$all", publish: "$authenticated" } },
      middlewares: {},
      log: { type: "file", path: join(this.#folder, "log"), format: "json", level: "warn" },
      max_body_size: "50mb",
    };
    const file = join(this.#folder, "config.yaml");
    writeFileSync(file, JSON.stringify(config));
    const program = createRequire(import.meta.url).resolve("verdaccio/bin/verdaccio");
    const started = spawn("node", [program, "--config", file, "--listen", `127.0.0.1:${PORT}`], { stdio: "ignore" });
    this.#process = started;
    while (!(await this.#answers())) {
      if (started.exitCode !== null) throw new Error(`the registry does not start: ${this.#log()}`);
      await Bun.sleep(50);
    }
  }

  stop(): void {
    this.#process?.kill("SIGKILL");
  }

  /** A new user's token. */
  async addUser(name: string): Promise<string> {
    const response = await fetch(`${this.url}-/user/org.couchdb.user:${name}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name, password: `password of ${name}` }),
    });
    return ((await response.json()) as { token: string }).token;
  }

  async versions(name: string): Promise<string[]> {
    const response = await fetch(`${this.url}${name.replace("/", "%2f")}`);
    if (response.status === 404) return [];
    return Object.keys(((await response.json()) as { versions: object }).versions);
  }

  async #answers(): Promise<boolean> {
    return fetch(`${this.url}-/ping`).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  #log(): string {
    const file = join(this.#folder, "log");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }
}
