import { expect, test } from "bun:test";
// What reviewers would otherwise have to look for.
import { basename, extname } from "node:path";
import { read, trackedFiles } from "./tracked-files.ts";

const files = trackedFiles();

test("there are files to look at", () => {
  expect(files).toContain("test/repository/habits.test.ts");
});

test("a file or folder is named after what it holds", () => {
  const vague = /^(utils?|helpers?|common|misc)$/;
  const found = files.filter((path) => path.split("/").some((part) => vague.test(basename(part, extname(part)))));
  expect(found).toEqual([]);
});

const CONFLICT = /^(?:<{7}|>{7}) /m;

test("no merge is left unresolved", () => {
  expect(CONFLICT.test(`one\n${"<".repeat(7)} HEAD\ntwo\n`)).toBe(true);
  expect(files.filter((path) => CONFLICT.test(read(path)))).toEqual([]);
});

test("comments are at most 120 columns wide: code is the formatters' business", () => {
  const sources = files.filter((path) => /\.(ts|c|h|sh)$/.test(path) && !path.endsWith(".gen.ts"));
  const wide = sources.flatMap((path) =>
    read(path)
      .split("\n")
      .flatMap((line, index) =>
        /^\s*(\/\/|\/?\*|#)/.test(line) && [...line].length > 120 ? [`${path}:${index + 1}`] : [],
      ),
  );
  expect(wide).toEqual([]);
});

test("versions of dependencies are pinned, and those of siblings follow the workspace", () => {
  const loose = files
    .filter((path) => basename(path) === "package.json")
    .flatMap((path) => {
      const { dependencies = {}, devDependencies = {} } = JSON.parse(read(path)) as Record<
        string,
        Record<string, string>
      >;
      return Object.entries({ ...dependencies, ...devDependencies })
        .filter(([name, version]) =>
          name.startsWith("@dp/") ? version !== "workspace:*" : !/^\d+\.\d+\.\d+$/.test(version),
        )
        .map(([name, version]) => `${path}: ${name} ${version}`);
    });
  expect(loose).toEqual([]);
});

test("the lock file names no registry", () => {
  expect(read("bun.lock")).not.toContain("://");
});

test("the Minecraft software is a dependency of the tests alone", () => {
  const published = files.filter((path) => /^packages\/[^/]+\/package\.json$/.test(path));
  expect(published.length).toBeGreaterThan(5);
  expect(published.filter((path) => read(path).includes("minecraft"))).toEqual([]);
});
