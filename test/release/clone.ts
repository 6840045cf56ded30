import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export const ROOT = join(import.meta.dirname, "../..");

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const foldersIn = (parent: string) =>
  readdirSync(join(ROOT, parent), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(parent, name));

/** A clone of this repository as it is now, with what is not committed, to make releases from. */
export class Clone {
  readonly folder: string;
  readonly #env: NodeJS.ProcessEnv;

  /** `home` has the .npmrc that releases are made with. */
  constructor(folder: string, home: string) {
    this.folder = folder;
    const identity = { GIT_AUTHOR_NAME: "Author", GIT_AUTHOR_EMAIL: "author@example.org" };
    this.#env = {
      ...process.env,
      ...identity,
      GIT_COMMITTER_NAME: identity.GIT_AUTHOR_NAME,
      GIT_COMMITTER_EMAIL: identity.GIT_AUTHOR_EMAIL,
      HOME: home,
      // What is built in here is the same as what is built there.
      TURBO_CACHE_DIR: join(folder, "../turbo"),
    };
    const list = ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    const paths = spawnSync("git", list, { cwd: ROOT, encoding: "utf8" }).stdout.split("\0");
    for (const path of paths) {
      if (path === "" || !existsSync(join(ROOT, path))) continue;
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      cpSync(join(ROOT, path), join(folder, path), { verbatimSymlinks: true });
    }
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
    for (const path of ["packages", "test", "tools"].flatMap((parent) => foldersIn(parent))) {
      const installed = join(ROOT, path, "node_modules");
      if (!existsSync(installed) || !existsSync(join(folder, path))) continue;
      cpSync(installed, join(folder, path, "node_modules"), { recursive: true, verbatimSymlinks: true });
    }
    this.git("init", "--quiet", "--initial-branch=main");
    // .gitignore speaks of a folder, and here it is a link.
    writeFileSync(join(folder, ".git/info/exclude"), "/node_modules\n");
    this.commit("Everything");
  }

  /** Takes the project back to before its first release, so that its versions are known: 0.0.0, and no changesets. */
  forgetReleases(): void {
    for (const name of readdirSync(join(this.folder, ".changeset"))) {
      if (name.endsWith(".md") && name !== "README.md") rmSync(join(this.folder, ".changeset", name));
    }
    for (const name of readdirSync(join(this.folder, "packages"))) {
      const manifest = join(this.folder, "packages", name, "package.json");
      const text = readFileSync(manifest, "utf8");
      writeFileSync(manifest, text.replace(/"version": "[^"]*"/, '"version": "0.0.0"'));
      rmSync(join(this.folder, "packages", name, "CHANGELOG.md"), { force: true });
    }
    this.commit("Begin");
  }

  git(...args: string[]): string {
    const { status, stdout, stderr } = spawnSync("git", args, { cwd: this.folder, env: this.#env, encoding: "utf8" });
    if (status !== 0) throw new Error(`git ${args.join(" ")}: ${stderr}`);
    return stdout.trimEnd();
  }

  commit(subject: string): void {
    this.git("add", "--all");
    this.git("commit", "--quiet", "--allow-empty", "-m", subject);
  }

  /** `tools/release`, in a process group of its own. */
  start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    return spawn("tools/release", args, {
      cwd: this.folder,
      env: { ...this.#env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
  }

  async release(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    const child = this.start(args, env);
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const [status] = (await once(child, "close")) as [number | null];
    return { status, stdout, stderr };
  }

  /** Starts a release and kills it, with all it has started, as soon as `when` says so. */
  async killRelease(args: readonly string[], when: () => boolean | Promise<boolean>): Promise<void> {
    const child = this.start(args);
    child.stdout?.resume();
    child.stderr?.resume();
    const closed = once(child, "close");
    while (!(await when())) {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}, before it could be killed`);
      await Bun.sleep(5);
    }
    process.kill(-(child.pid as number), "SIGKILL");
    await closed;
  }
}
