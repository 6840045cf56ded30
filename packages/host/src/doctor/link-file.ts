/** systemd.link(5): the files by which udev names network interfaces and chooses their MAC addresses. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Highest precedence first: of files of one name only the first is read. */
const FOLDERS = [
  "/etc/systemd/network",
  "/run/systemd/network",
  "/usr/local/lib/systemd/network",
  "/usr/lib/systemd/network",
  "/lib/systemd/network",
];

export interface LinkFile {
  path: string;
  /** Settings by section and key; a key that is given twice has both values, unless the later one is empty. */
  sections: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;
}

/** An interface as these files know it. */
export interface Device {
  name: string;
  mac: string;
  /** As `ip -d link` says it: "veth". */
  kind: string;
}

/** Every file that counts, in the order they are tried. */
export function readLinkFiles(folders: readonly string[] = FOLDERS): LinkFile[] {
  const byName = new Map<string, string>();
  for (const folder of folders) {
    for (const name of namesIn(folder)) if (!byName.has(name)) byName.set(name, join(folder, name));
  }
  // By the bytes of their names, whatever folder they are in. One that is empty (or /dev/null) hides those below it.
  const names = [...byName.keys()].sort((one, other) => (one < other ? -1 : 1));
  return names.flatMap((name) => {
    const path = byName.get(name) as string;
    const text = textOf(path);
    return text.trim() === "" ? [] : [{ path, sections: parseUnit(text) }];
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(".link"));
  } catch {
    return [];
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** systemd.syntax(7). */
export function parseUnit(text: string): LinkFile["sections"] {
  const sections = new Map<string, Map<string, string[]>>();
  let section: Map<string, string[]> | undefined;
  for (const line of logicalLines(text)) {
    const [, title] = /^\[(.*)\]$/.exec(line) ?? [];
    if (title !== undefined) {
      section = sections.get(title) ?? new Map<string, string[]>();
      sections.set(title, section);
      continue;
    }
    const [, key, value = ""] = /^([^=]+?)\s*=\s*(.*)$/.exec(line) ?? [];
    if (section === undefined || key === undefined) continue;
    section.set(key, value === "" ? [] : [...(section.get(key) ?? []), value]);
  }
  return sections;
}

/** Without comments, and with lines that end in a backslash joined to the next. */
function logicalLines(text: string): string[] {
  const lines: string[] = [];
  let joined = "";
  for (const line of text.split("\n").map((each) => each.trim())) {
    if (/^[#;]/.test(line)) continue;
    if (line.endsWith("\\")) {
      joined += `${line.slice(0, -1)} `;
      continue;
    }
    if (joined + line !== "") lines.push(joined + line);
    joined = "";
  }
  return joined === "" ? lines : [...lines, joined];
}

/** The file udev takes for an interface: the first that matches. */
export function linkFileFor(device: Device, files: readonly LinkFile[]): LinkFile | undefined {
  return files.find((file) => matches(device, file.sections.get("Match")));
}

/** What of [Match] can be told of an interface that is only planned. All of it has to match. */
const MATCHERS: Readonly<Record<string, (device: Device, words: readonly string[]) => boolean>> = {
  OriginalName: ({ name }, words) => globs(name, words),
  Kind: ({ kind }, words) => globs(kind, words),
  Driver: ({ kind }, words) => globs(kind, words),
  Type: (_, words) => globs("ether", words),
  MACAddress: ({ mac }, words) => words.some((word) => word.toLowerCase() === mac),
  // A virtual interface has none of its own.
  PermanentMACAddress: () => false,
  Path: () => false,
};

/** Conditions on the machine (Host, Virtualization, KernelVersion...) are taken for fulfilled. */
function matches(device: Device, section: ReadonlyMap<string, readonly string[]> | undefined): boolean {
  const conditions = [...(section ?? [])].filter(([, values]) => values.length > 0);
  // Without [Match] a file is ignored, with a warning.
  if (conditions.length === 0) return false;
  return conditions.every(
    ([key, values]) =>
      MATCHERS[key]?.(
        device,
        values.flatMap((value) => value.split(/\s+/)),
      ) ?? true,
  );
}

/** Shell patterns, of which one has to fit; or none, if the first begins with "!". */
function globs(text: string, words: readonly string[]): boolean {
  const inverted = words[0]?.startsWith("!") ?? false;
  const patterns = inverted ? [words[0]?.slice(1) ?? "", ...words.slice(1)] : words;
  return patterns.some((pattern) => globToRegExp(pattern).test(text)) !== inverted;
}

function globToRegExp(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source.replace(/\[!/g, "[^")}$`);
}

/** The last value of a setting in [Link]. */
export function linkSetting(file: LinkFile, key: string): string | undefined {
  return file.sections.get("Link")?.get(key)?.at(-1);
}
