import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Failure } from "./failure.ts";
import { differences, type Tarball } from "./tarball.ts";

/** What npm says with --json when it fails. */
interface NpmError {
  readonly code?: string;
  readonly summary?: string;
  readonly detail?: string;
}

type Answer = { readonly value: unknown } | { readonly error: NpmError };

const UNREACHABLE =
  /^(ECONN|ENOTFOUND|EAI_|ETIMEDOUT|EHOST|ENET|ERR_SOCKET|ERR_SSL|CERT_|SELF_SIGNED|UNABLE_TO|DEPTH_ZERO)/;
const NOT_LOGGED_IN = /^(ENEEDAUTH|E401|E403|EOTP)$/;

/** One registry, and no other: asked through npm, which knows about logging in. */
export class Registry {
  readonly #url: string;
  readonly #directory: string;

  /** `directory` is where npm runs: its .npmrc counts, after the user's own. */
  constructor(url: string, directory: string) {
    this.#url = url;
    this.#directory = directory;
  }

  /** The user that publishes. Throws `Failure` when no user is logged in. */
  async user(): Promise<string> {
    const answer = await this.#npm(["whoami"]);
    if (!("error" in answer)) return String(answer.value);
    const op = "ask who is logged in";
    // npm says so before it asks anybody.
    if (answer.error.code === "ENEEDAUTH") {
      const ping = await this.#npm(["ping"]);
      if ("error" in ping && UNREACHABLE.test(ping.error.code ?? "")) throw this.#failure(op, ping.error);
    }
    throw this.#failure(op, answer.error);
  }

  /**
   * Whether a version is there. Throws `Failure` when it is with other content: a version is for good, so what changed
   * needs another one.
   */
  async has(tarball: Tarball): Promise<boolean> {
    const { name, version } = tarball.manifest;
    const answer = await this.#npm(["view", `${name}@${version}`, "dist.integrity"]);
    if ("error" in answer) {
      if (answer.error.code === "E404") return false;
      throw this.#failure(`look for ${name} ${version}`, answer.error);
    }
    // A package without that version, for some versions of npm.
    if (answer.value === undefined) return false;
    if (answer.value === tarball.integrity) return true;
    // Another version of bun may have packed the same.
    const directory = mkdtempSync(join(tmpdir(), "published-"));
    try {
      const fetched = await this.#npm(["pack", `${name}@${version}`, "--pack-destination", directory]);
      if ("error" in fetched) throw this.#failure(`fetch ${name} ${version}`, fetched.error);
      const [file] = readdirSync(directory);
      if (file === undefined) throw new Failure(`fetch ${name} ${version}: npm has not`);
      const differing = differences(tarball, join(directory, file));
      if (differing.length === 0) return true;
      const shown = differing.slice(0, 5).join(", ");
      const more = differing.length > 5 ? ` and ${differing.length - 5} more` : "";
      throw new Failure(
        `${name} ${version} is published with other content: ${shown}${more}`,
        `a version never changes: write a changeset for ${name}, with: bun run changeset`,
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  async publish(tarball: Tarball, access: string): Promise<void> {
    const { name, version } = tarball.manifest;
    // 1.2.0-beta.3 is "beta": "latest" is what people get who ask for nothing.
    const tag = /-([a-z]+)/i.exec(version)?.[1] ?? "latest";
    const options = ["--access", access, "--tag", tag, "--dry-run=false", "--ignore-scripts"];
    const answer = await this.#npm(["publish", tarball.file, ...options]);
    if ("error" in answer) throw this.#failure(`publish ${name} ${version}`, answer.error);
  }

  #failure(what: string, { code = "", summary = "", detail = "" }: NpmError): Failure {
    if (UNREACHABLE.test(code)) {
      return new Failure(
        `${what}: cannot reach ${this.#url} (${code})`,
        "see that it is the right one, and that it runs",
      );
    }
    if (NOT_LOGGED_IN.test(code)) {
      const why =
        code === "ENEEDAUTH" ? "no user is logged in" : `it refuses (${code}: ${summary.trim().split("\n")[0]})`;
      const token = process.env["NPM_TOKEN"]
        ? "another token in NPM_TOKEN: it does not take this one"
        : "a token in NPM_TOKEN";
      return new Failure(`${what}: at ${this.#url} ${why}`, `npm login --registry ${this.#url}, or ${token}`);
    }
    return new Failure(`${what}: ${this.#url}: ${[code, summary.trim(), detail.trim()].filter(Boolean).join(": ")}`);
  }

  /** Runs npm, with the registry on its command line, where nothing overrules it: the scope's own one too. */
  async #npm(args: readonly string[]): Promise<Answer> {
    const options = [`--registry=${this.#url}`, `--@dp:registry=${this.#url}`, "--json", "--no-update-notifier"];
    const env: NodeJS.ProcessEnv = { ...process.env };
    const token = process.env["NPM_TOKEN"];
    if (token !== undefined && token !== "") env[`npm_config_${this.#url.replace(/^https?:/, "")}:_authToken`] = token;
    const child = spawn("npm", [...args, ...options, "--fetch-retries=1", "--fetch-retry-mintimeout=1000"], {
      cwd: this.#directory,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on("error", (error) => reject(new Failure(`cannot start npm: ${error.message}`)));
      child.on("close", resolve);
    });
    const value = stdout.trim() === "" ? undefined : (JSON.parse(stdout) as { error?: NpmError });
    if (status === 0) return { value };
    return { error: value?.error ?? { summary: `npm ended with status ${status}`, detail: stderr } };
  }
}
