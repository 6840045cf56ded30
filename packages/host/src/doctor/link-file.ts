/** systemd.link(5): the files that tell udev the names and MAC addresses of interfaces. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Highest precedence first: of files with the same name, udev reads only the first. */
const FOLDERS = [
  "/etc/systemd/network",
  "/run/systemd/network",
  "/usr/local/lib/systemd/network",
  "/usr/lib/systemd/network",
  "/lib/systemd/network",
];

export interface LinkFile {
  path: string;
  /** Settings by section and key. A key that is given twice has both values; an empty value clears those before it. */
  sections: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;
}

/** What [Match] can select an interface by. */
export interface Device {
  name: string;
  mac: string;
  /** The kind as in `ip -d link`: "veth". */
  kind: string;
}

/** The files that udev reads, in the order it tries them. */
export function readLinkFiles(folders: readonly string[] = FOLDERS): LinkFile[] {
  const byName = new Map<string, string>();
  for (const folder of folders) {
    for (const name of namesIn(folder)) if (!byName.has(name)) byName.set(name, join(folder, name));
  }
  // Sorted by name, whatever the folder. An empty file (or /dev/null) hides files with the same name in later folders.
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

/** The file udev uses for an interface: the first that matches. */
export function linkFileFor(device: Device, files: readonly LinkFile[]): LinkFile | undefined {
  return files.find((file) => matches(device, file.sections.get("Match")));
}

/** The conditions of [Match] that are known before the interface exists. All of them have to match. */
const MATCHERS: Readonly<Record<string, (device: Device, words: readonly string[]) => boolean>> = {
  OriginalName: ({ name }, words) => globs(name, words),
  Kind: ({ kind }, words) => globs(kind, words),
  Driver: ({ kind }, words) => globs(kind, words),
  Type: (_, words) => globs("ether", words),
  MACAddress: ({ mac }, words) => words.some((word) => word.toLowerCase() === mac),
  // A virtual interface has no permanent MAC.
  PermanentMACAddress: () => false,
  Path: () => false,
};

/** Conditions on the machine (Host, Virtualization, KernelVersion, …) count as fulfilled. */
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

/** Whether one of these shell patterns matches; whether none matches, if the first begins with "!". */
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
