/** What `tools/vm` makes of its arguments, before it boots anything. */
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chooseKernels } from "./choose-kernels.ts";

/** Files by their path below a folder that is gone with this. */
function folderWith(...files: string[]): Disposable & { path: string } {
  const path = mkdtempSync(join(tmpdir(), "kernels-"));
  for (const file of files) {
    mkdirSync(join(path, file, ".."), { recursive: true });
    writeFileSync(join(path, file), "");
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** What a script that imports `chooseKernels` prints, with another place for kernels. Nothing can be fetched here. */
function printed(script: string, cache: string): string {
  const imports = `import { chooseKernels } from "${import.meta.dirname}/choose-kernels.ts";`;
  const { stdout, stderr } = Bun.spawnSync([process.execPath, "-e", imports + script], {
    env: { ...process.env, XDG_CACHE_HOME: cache },
  });
  return `${stdout}${stderr}`;
}

function vm(...args: string[]): { code: number; stderr: string } {
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, join(import.meta.dirname, "vm.ts"), ...args], {
    stdin: "ignore",
  });
  return { code: exitCode, stderr: stderr.toString() };
}

test("a kernel that is there needs no other to be fetched", () => {
  using cache = folderWith("datapath/kernels/linux-image-cloud-amd64/boot/vmlinuz-6.1.0-1-cloud-amd64");
  const script = 'console.log(chooseKernels({ names: ["6.1", "6.1"], images: [] }).map(({ name }) => name).join());';
  expect(printed(script, cache.path)).toBe("6.1\n");
});

test("images of one name are told apart, the same one twice is one", () => {
  using trees = folderWith("one/bzImage", "two/bzImage");
  const [one, two] = ["one", "two"].map((tree) => join(trees.path, tree, "bzImage")) as [string, string];
  const kernels = chooseKernels({ names: [], images: [one, two, one] });
  expect(kernels.map(({ name, image }) => [name, image])).toEqual([
    ["bzImage", one],
    ["bzImage-2", two],
  ]);
});

test.each([
  [["6.0"], "there is no stock kernel 6.0"],
  [["--kernel", "/nowhere/vmlinuz"], "there is no kernel /nowhere/vmlinuz"],
  [["--modules", "/lib/modules", "6.1"], "--modules is about a kernel of --kernel"],
  [["--anew"], "--anew is about --fetch"],
  [["--list", "6.1"], 'unexpected "6.1"'],
  [["shell", "6.1", "6.12"], "a shell is in one kernel"],
  [["--nonsense"], "Unknown option '--nonsense'"],
])("%j is bad usage, and says why", (args, why) => {
  const { code, stderr } = vm(...args);
  expect(stderr).toStartWith(`tools/vm: ${why}`);
  expect(code).toBe(2);
});

test("a machine without qemu says what to install", () => {
  using images = folderWith("vmlinuz-0");
  const { exitCode, stderr } = Bun.spawnSync(
    [process.execPath, join(import.meta.dirname, "vm.ts"), "shell", "--kernel", join(images.path, "vmlinuz-0")],
    { stdin: "ignore", env: { ...process.env, PATH: images.path } },
  );
  expect(stderr.toString()).toBe("tools/vm: qemu-system-x86_64 is not installed: run tools/bootstrap --tests\n");
  expect(exitCode).toBe(1);
});
