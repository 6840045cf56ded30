import { afterAll, beforeAll, describe, expect, test } from "bun:test";
// Importing a package is free: nothing happens until something of it is called, and what is not used is left out of a
// bundle.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { entryPoints } from "./surface.ts";

const modules = entryPoints().map(({ module }) => module);

// koffi loads its own half when it is imported, and that the C++ library.
const KOFFI = /\/(koffi[^/]*\.node|libstdc\+\+\.so[^/]*|libgcc_s\.so[^/]*|libm\.so[^/]*)$/;

/** Prints what the process has more after importing a module than before. */
const LOOK = `
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
const descriptors = () => readdirSync("/proc/self/fd").flatMap((fd) => {
  try { return [fd + " " + readlinkSync("/proc/self/fd/" + fd)]; } catch { return []; }
});
const libraries = () => [...new Set(readFileSync("/proc/self/maps", "utf8").match(/\\/\\S+\\.(so[.0-9]*|node)$/gm) ?? [])];
const resources = () => process.getActiveResourcesInfo();
const listeners = () => process.eventNames().map(String);
const look = () => ({ descriptors: descriptors(), libraries: libraries(), resources: resources(), listeners: listeners() });
// The command line's library looks at the process's own streams, which opens nothing that was not open.
void [process.stdin, process.stdout, process.stderr];
const before = look();
await import(process.argv.at(-1));
const after = look();
const more = Object.entries(after).map(([what, now]) => [what, now.filter((one) => !before[what].includes(one))]);
console.log(JSON.stringify(Object.fromEntries(more)));
// A timer that was started would keep it alive.
process.exit();
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(import.meta.dirname, "node_modules/import-"));
  writeFileSync(join(folder, "look.mjs"), LOOK);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.each([
  ["Bun", process.execPath],
  ["Node", "node"],
])("under %s", (_, runtime) => {
  test.each(modules)("importing %s opens, loads, starts and listens to nothing", (module) => {
    const { stdout, stderr } = spawnSync(runtime, [join(folder, "look.mjs"), module], { encoding: "utf8" });
    expect(stderr).toBe("");
    const more = JSON.parse(stdout) as Record<string, string[]>;
    const libraries = (more["libraries"] ?? []).filter((path) => !KOFFI.test(path));
    const found: Record<string, string[]> = { ...more, libraries };
    expect(found).toEqual({ descriptors: [], libraries: [], resources: [], listeners: [] });
  });
});

async function bundle(source: string, target: "bun" | "node"): Promise<string> {
  const entry = join(folder, "entry.ts");
  writeFileSync(entry, source);
  const { outputs } = await Bun.build({ entrypoints: [entry], target, external: ["koffi"] });
  return (await outputs[0]?.text()) ?? "";
}

/** Without the comments that name what file a part is from. */
const code = (text: string) => text.replaceAll(/^\/\/.*$/gm, "").trim();

describe.each(["bun", "node"] as const)("in a bundle for %s", (target) => {
  test.each(modules)("of %s nothing is left that is not used", async (module) => {
    expect(code(await bundle(`import * as it from "${module}";\nimport "${module}";\n`, target))).toBe("");
  });

  test("an error's class comes alone", async () => {
    const text = await bundle('import { DatapathError } from "@dp/sys";\nconsole.log(DatapathError);\n', target);
    expect(text).toContain("class DatapathError");
    expect(text).not.toContain("koffi");
  });

  test("netlink's codec comes without a socket", async () => {
    const text = await bundle('import { linkMessage } from "@dp/netlink/codec";\nconsole.log(linkMessage);\n', target);
    expect(text).toContain("IFLA_MTU");
    expect(text).not.toContain("koffi");
  });

  test("what lists servers does not bring what adds them", async () => {
    const text = await bundle('import { list } from "@dp/host";\nconsole.log(list);\n', target);
    expect(text).toContain("koffi");
    expect(text).not.toContain("function addServer");
  });
});
