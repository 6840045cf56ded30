import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bashCompletion } from "../../src/completion/bash.ts";
import { fishCompletion } from "../../src/completion/fish.ts";
import { zshCompletion } from "../../src/completion/zsh.ts";
import { commands } from "../../src/run.ts";
import { manPage } from "../man-page.ts";
import type { Release } from "./architecture.ts";
import type { Entry } from "./tree.ts";

export const REPOSITORY = join(import.meta.dirname, "../../../..");
const UNITS = join(REPOSITORY, "examples/systemd");

/** Where examples/systemd has dp. */
const UNITS_DP = "/usr/local/bin/dp";

/** The scripts and the man page, as they are made from the commands. */
export function generated({ version, date }: Release) {
  const all = commands();
  return {
    bash: bashCompletion(all),
    zsh: zshCompletion(all),
    fish: fishCompletion(all),
    manPage: manPage(all, { version, date }),
  };
}

/** The systemd units and udev's .link file, for a systemd that looks for them in this folder. */
export function unitFiles(folder: string, dp: string): Entry[] {
  return readdirSync(UNITS).flatMap((name) => {
    const text = readFileSync(join(UNITS, name), "utf8");
    if (/\.(service|slice)$/.test(name)) {
      return { path: `${folder}/system/${name}`, content: text.replaceAll(UNITS_DP, dp) };
    }
    return name.endsWith(".link") ? { path: `${folder}/network/${name}`, content: text } : [];
  });
}

/** How other proxies are configured, and how the units are used. */
export function exampleFiles(folder: string): Entry[] {
  const examples = join(REPOSITORY, "examples");
  const proxies = readdirSync(examples, { withFileTypes: true }).filter((entry) => entry.isFile());
  return [...proxies.map(({ name }) => name), "systemd/README.md"].map((name) => ({
    path: `${folder}/${name}`,
    content: { file: join(examples, name) },
  }));
}

/** Whose work it is and on which terms, in the format of Debian's copyright files. */
export function copyright(): string {
  const template = readFileSync(join(import.meta.dirname, "debian", "copyright"), "utf8");
  const licence = readFileSync(join(REPOSITORY, "LICENSE"), "utf8").trim();
  // An empty line is a dot there, and every line is indented.
  const indented = licence.split("\n").map((line) => (line.trim() === "" ? " ." : ` ${line.trimEnd()}`));
  return template.replace(/^ @LICENSE@$/m, () => indented.join("\n"));
}
