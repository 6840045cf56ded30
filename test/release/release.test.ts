import { afterAll, beforeAll, describe, expect, test } from "bun:test";
// Releases of this repository to a real registry, and what people then install from it. The tests follow each other as
// a project's releases do.
import { spawn, spawnSync } from "node:child_process";
import { lookup } from "node:dns/promises";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Clone } from "./clone.ts";
import { Elsewhere } from "./elsewhere.ts";
import { EmptyProject, type Installer, runSession } from "./empty-project.ts";
import { LocalRegistry } from "./local-registry.ts";
import { publishThirdParty } from "./third-party.ts";

const NAMES = ["bpf", "sys", "core", "netlink", "host", "proxy", "cli"];
const ALL = NAMES.map((name) => `@dp/${name}`);

// A file system of this sandbox alone, which goes with it. Sandboxes in this one see it, and not each other's /run.
const WORK = "/mnt";
const publisher = join(WORK, "publisher");
const stranger = join(WORK, "stranger");
const user = join(WORK, "user");

// No other registry can be reached from there, and what is mounted in there is not mounted here.
if (process.env["SANDBOX"] !== "1") throw new Error("these tests run in tools/sandbox only");

const registry = new LocalRegistry(join(WORK, "registry"));
const to = ["--registry", registry.url];
let elsewhere: Elsewhere;
let clone: Clone;
let token: string;
let thirdParty: string[];

beforeAll(async () => {
  if (process.env["SANDBOX"] !== "1")
    throw new Error("only in tools/sandbox: there nothing can be published elsewhere");
  spawnSync("mount", ["-t", "tmpfs", "tmpfs", WORK]);
  for (const home of [publisher, stranger, user]) mkdirSync(home);
  elsewhere = await Elsewhere.open(WORK);
  await registry.start();
  const { host } = new URL(registry.url);
  token = await registry.addUser("maintainer");
  const login = `//${host}/:_authToken=${token}\n`;
  // The publisher's npm is configured for another registry, by default and for the scope.
  const others = `registry=${elsewhere.url}\n@dp:registry=${elsewhere.url}\n//127.0.0.1:4874/:_authToken=secret\n`;
  writeFileSync(join(publisher, ".npmrc"), `${others}${login}`);
  writeFileSync(join(stranger, ".npmrc"), others);
  writeFileSync(join(user, ".npmrc"), `registry=${registry.url}\nfund=false\naudit=false\n${login}`);
  thirdParty = publishThirdParty(NAMES, registry.url, join(WORK, "third-party"), user);
  clone = new Clone(join(WORK, "clone"), publisher);
  clone.forgetReleases();
});

afterAll(async () => {
  registry.stop();
  await elsewhere?.[Symbol.asyncDispose]();
  spawnSync("umount", ["--lazy", WORK]);
});

const publishedVersions = async () =>
  Object.fromEntries(await Promise.all(ALL.map(async (name) => [name, (await registry.versions(name)).join(" ")])));
const everywhere = (version: string) => Object.fromEntries(ALL.map((name) => [name, version]));
/** What a release said it published. */
const published = (stdout: string) => [...stdout.matchAll(/^published (.*)$/gm)].map(([, what]) => what as string);
const untouched = (head: string) => {
  expect(clone.git("status", "--porcelain")).toBe("");
  expect(clone.git("rev-parse", "HEAD")).toBe(head);
};
const changeset = (bumps: Readonly<Record<string, string>>, text: string) => {
  const lines = Object.entries(bumps).map(([name, bump]) => `${JSON.stringify(name)}: ${bump}\n`);
  writeFileSync(join(clone.folder, ".changeset/change.md"), `---\n${lines.join("")}---\n\n${text}\n`);
};
let head: string;

test("what the packages need of others is little, and there", () => {
  expect(thirdParty.map((name) => name.replace(/-(x64|arm64)$/, "-ARCH"))).toEqual([
    "@koromix/koffi-linux-ARCH",
    "clipanion",
    "koffi",
    "typanion",
  ]);
});

describe("is refused, with a hint,", () => {
  const refused = async (args: readonly string[], message: string, env: NodeJS.ProcessEnv = {}) => {
    const { status, stdout, stderr } = await clone.release(args, env);
    expect(stderr).toMatch(new RegExp(`^release: ${message}`));
    expect(stderr).toContain("\nhint: ");
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  };

  test("without a registry", () => refused([], "to which registry\\?"));
  test("a registry that is no URL", () => refused(["--registry", "npm"], "--registry npm: not the URL of a registry"));
  test("an unknown option", async () => {
    const { status, stdout, stderr } = await clone.release([...to, "--force"]);
    const message = "release: unknown option --force\nhint: tools/release --help\n";
    expect({ status, stdout, stderr }).toEqual({ status: 2, stdout: "", stderr: message });
  });

  test("in a dirty tree", async () => {
    const file = join(clone.folder, "packages/core/src/forgotten.ts");
    writeFileSync(file, "export {};\n");
    await refused(to, "the tree is dirty:\n\\?\\? packages/core/src/forgotten.ts");
    rmSync(file);
  });

  test("a registry that does not answer", () =>
    refused(
      ["--registry", "http://127.0.0.1:1"],
      "ask who is logged in: cannot reach http://127.0.0.1:1/ \\(ECONNREFUSED",
    ));

  test("when no user is logged in", () =>
    refused(to, `ask who is logged in: at ${registry.url} no user is logged in`, { HOME: stranger }));

  test("with a token that the registry does not know", () =>
    refused(to, "ask who is logged in: .*\\n.*another token in NPM_TOKEN", { HOME: stranger, NPM_TOKEN: "wrong" }));

  afterAll(async () => {
    untouched(clone.git("rev-parse", "HEAD"));
    expect(await publishedVersions()).toEqual(everywhere(""));
  });
});

test("without a changeset, what never had a version is refused", async () => {
  const { status, stderr } = await clone.release([...to, "--dry-run"]);
  expect(stderr).toBe(
    `release: no changesets, and no version yet: ${ALL.join(", ")}\nhint: write one, with: bun run changeset\n`,
  );
  expect(status).toBe(1);
});

test("a dry run builds and checks everything, commits nothing and publishes nothing", async () => {
  changeset(Object.fromEntries(ALL.map((name) => [name, "minor"])), "It is here.");
  clone.commit("Tell of the packages");
  head = clone.git("rev-parse", "HEAD");
  const { status, stdout, stderr } = await clone.release([...to, "--dry-run"], { HOME: stranger });
  expect(stderr).toBe("");
  for (const name of ALL)
    expect(stdout).toMatch(new RegExp(`^${name} 0.1.0 .* files, .* KiB .* would be published$`, "m"));
  expect(status).toBe(0);
  untouched(head);
  expect(await publishedVersions()).toEqual(everywhere(""));
});

test("while one is running, another one is refused", async () => {
  const file = join(clone.folder, ".cache/release.lock");
  const running = spawn("flock", [file, "sleep", "infinity"], { detached: true });
  while (spawnSync("flock", ["--nonblock", file, "true"]).status === 0) await Bun.sleep(10);
  const { status, stderr } = await clone.release(to);
  process.kill(-(running.pid as number), "SIGKILL");
  expect({ status, stderr }).toEqual({ status: 1, stderr: "release: another release is running in this clone\n" });
});

test("killed before the commit, it leaves the clone as it was", async () => {
  await clone.killRelease(to, () =>
    existsSync(join(clone.folder, ".cache/release/checkout/packages/cli/CHANGELOG.md")),
  );
  untouched(head);
});

test("killed while it publishes, it goes on with what is missing when it is run again", async () => {
  await clone.killRelease(to, async () => (await registry.versions("@dp/sys")).length > 0);
  expect(clone.git("status", "--porcelain")).toBe("");
  expect(clone.git("log", "-1", "--format=%s")).toMatch(/^Release @dp\/bpf 0.1.0, @dp\/sys 0.1.0, /);
  head = clone.git("rev-parse", "HEAD");
  const before = await publishedVersions();
  const missing = ALL.filter((name) => before[name] === "");
  expect(missing).toContain("@dp/cli");

  const { status, stdout, stderr } = await clone.release(to);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(published(stdout)).toEqual(missing.map((name) => `${name} 0.1.0`));
  untouched(head);
  expect(await publishedVersions()).toEqual(everywhere("0.1.0"));
});

test("a change without a changeset is refused: a version does not change", async () => {
  const file = join(clone.folder, "packages/netlink/src/index.ts");
  writeFileSync(file, `${readFileSync(file, "utf8")}\nexport const CHANGED = true;\n`);
  clone.commit("Change @dp/netlink");
  const { status, stderr } = await clone.release(to);
  expect(stderr).toBe(
    "release: @dp/netlink 0.1.0 is published with other content: dist/index.d.ts, dist/index.js, src/index.ts\n" +
      "hint: a version never changes: write a changeset for @dp/netlink, with: bun run changeset\n",
  );
  expect(status).toBe(1);
});

test("with its changeset it moves, and so does what depends on it, and nothing else", async () => {
  changeset({ "@dp/netlink": "minor" }, "It is changed.");
  clone.commit("Tell of the change");
  // With a token instead of a login, and an environment that names another registry too.
  const env = { HOME: stranger, NPM_TOKEN: token, npm_config_registry: elsewhere.url };
  const { status, stdout, stderr } = await clone.release(to, env);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const moved = ["@dp/netlink 0.2.0", "@dp/host 0.1.1", "@dp/cli 0.1.1"];
  expect(published(stdout)).toEqual(moved);
  expect(clone.git("log", "-1", "--format=%s")).toBe(`Release ${moved.join(", ")}`);
  expect(await publishedVersions()).toEqual({
    ...everywhere("0.1.0"),
    "@dp/netlink": "0.1.0 0.2.0",
    "@dp/host": "0.1.0 0.1.1",
    "@dp/cli": "0.1.0 0.1.1",
  });
  expect(readFileSync(join(clone.folder, "packages/netlink/CHANGELOG.md"), "utf8")).toContain("It is changed.");
  expect(readFileSync(join(clone.folder, "bun.lock"), "utf8")).not.toContain("://");
  expect(clone.git("status", "--porcelain")).toBe("");
  expect(clone.git("worktree", "list").split("\n")).toHaveLength(1);
});

const INSTALLERS: readonly Installer[] = ["npm", "bun"];
describe.each(INSTALLERS)("installed with %s into an empty project,", (installer) => {
  test.each(["core", "netlink", "host"])("@dp/%s runs the examples of its README", async (name) => {
    const project = new EmptyProject(join(WORK, `${installer}-${name}`), user);
    project.install(installer, `@dp/${name}`);
    project.runExamples(installer, name);
  });

  test("@dp/cli has a dp that does what its README shows", () => {
    const project = new EmptyProject(join(WORK, `${installer}-cli`), user);
    project.install(installer, "@dp/cli");
    // Its #! says node: under Bun it is told otherwise.
    const dp = installer === "bun" ? "bun --bun node_modules/.bin/dp" : "node_modules/.bin/dp";
    runSession(project.folder, dp);
  });
});

test("npm i -g @dp/cli gives a dp that does what its README shows", () => {
  const project = new EmptyProject(join(WORK, "global"), user);
  project.install("npm", "@dp/cli", "--global", "--prefix", join(WORK, "prefix"));
  runSession(project.folder, join(WORK, "prefix/bin/dp"));
});

test("no other registry was asked for anything", async () => {
  expect(elsewhere.asked).toEqual([]);
  // Which would have been noticed:
  await fetch(`${elsewhere.url}@dp%2fcore`);
  await lookup("registry.example.org").catch(() => {});
  expect(elsewhere.asked.map((line) => line.toLowerCase())).toContain("get /@dp%2fcore");
  expect(elsewhere.asked).toContain("name registry.example.org");
});
