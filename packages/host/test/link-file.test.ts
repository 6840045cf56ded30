/** udev's .link files: which of them is taken for a host peer, and what it does to one. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { linkFileFor, type LinkFile, linkSetting, parseUnit, readLinkFiles } from "../src/doctor/link-file.ts";
import { judgeLinkFiles } from "../src/doctor/mac-address-policy.ts";

const HOST_PEER = { name: "dp1", mac: "7e:90:c4:ed:df:d0", kind: "veth" };
/** What Debian's udev brings along. */
const DEFAULT = "[Match]\nOriginalName=*\n\n[Link]\nNamePolicy=keep kernel database\nMACAddressPolicy=persistent\n";

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "hosttest-links-"));
});
afterAll(() => rmSync(root, { recursive: true }));

function file(text: string, path = "10-test.link"): LinkFile {
  return { path, sections: parseUnit(text) };
}

function codes(...files: LinkFile[]): string[] {
  const verdict = judgeLinkFiles(files);
  return typeof verdict === "string" ? [] : verdict.map(({ code, severity }) => `${severity} ${code}`);
}

describe("a unit file", () => {
  test("has sections, settings that repeat and are taken back, comments and long lines", () => {
    const sections = parseUnit(
      "stray=1\n# a comment\n[Match]\nOriginalName = a b \\\n  c\n; another\nKind=veth\nKind=\nKind=bond\n[Link]\nMTUBytes=1400\n[Match]\nType=ether",
    );
    expect(Object.fromEntries(sections.get("Match") ?? [])).toEqual({
      OriginalName: ["a b  c"],
      Kind: ["bond"],
      Type: ["ether"],
    });
    expect(sections.get("Link")?.get("MTUBytes")).toEqual(["1400"]);
    expect([...sections.keys()]).toEqual(["Match", "Link"]);
  });
});

describe("the files", () => {
  test("of all folders are tried by name; of one name the first folder's counts, and an empty one hides it", () => {
    const [etc = "", lib = ""] = ["etc", "lib"].map((name) => join(root, name));
    for (const folder of [etc, lib]) mkdirSync(folder);
    const write = (folder: string, name: string, text: string) => writeFileSync(join(folder, name), text);
    write(lib, "99-default.link", DEFAULT);
    write(lib, "50-vendor.link", DEFAULT);
    write(lib, "60-hidden.link", DEFAULT);
    write(lib, "ignored.network", DEFAULT);
    write(etc, "50-vendor.link", "[Match]\nOriginalName=eth*\n");
    symlinkSync("/dev/null", join(etc, "60-hidden.link"));
    write(etc, "70-last.link", "[Match]\nOriginalName=*\n");
    const files = readLinkFiles([etc, lib, join(root, "none")]);
    expect(files.map(({ path }) => path)).toEqual([
      join(etc, "50-vendor.link"),
      join(etc, "70-last.link"),
      join(lib, "99-default.link"),
    ]);
    expect(linkFileFor(HOST_PEER, files)?.path).toBe(join(etc, "70-last.link"));
  });

  test.each([
    ["OriginalName=*", true],
    ["OriginalName=eth* dp*", true],
    ["OriginalName=dp?", true],
    ["OriginalName=dp[!0-9]*", false],
    ["OriginalName=!dp*", false],
    ["OriginalName=!eth* wl*", true],
    ["OriginalName=dp", false],
    ["Kind=veth\nOriginalName=dp*", true],
    ["Kind=bridge\nOriginalName=dp*", false],
    ["Driver=veth", true],
    ["Type=ether", true],
    ["Type=wlan", false],
    ["MACAddress=7E:90:C4:ED:DF:D0", true],
    ["MACAddress=00:11:22:33:44:55", false],
    ["PermanentMACAddress=7e:90:c4:ed:df:d0", false],
    ["Path=pci-*", false],
    ["Host=somewhere\nOriginalName=*", true],
    ["", false],
  ])("[Match] with %j matches a host peer: %p", (match, expected) => {
    expect(linkFileFor(HOST_PEER, [file(`[Match]\n${match}\n`)]) !== undefined).toBe(expected);
  });

  test("that match do not count behind the first that does", () => {
    const first = file("[Match]\nOriginalName=dp*\n[Link]\nMACAddressPolicy=none\n");
    expect(linkSetting(first, "MACAddressPolicy")).toBe("none");
    expect(codes(first, file(DEFAULT, "99-default.link"))).toEqual([]);
    expect(codes(file(DEFAULT, "99-default.link"), first)).toEqual(["warning mac-address-policy"]);
  });
});

describe("what they do to host peers", () => {
  const link = (text: string) => file(`[Match]\nOriginalName=*\n[Link]\n${text}\n`);

  test.each([
    ["MACAddressPolicy=persistent", ["warning mac-address-policy"]],
    ["MACAddressPolicy=random", ["warning mac-address-policy"]],
    ["MACAddressPolicy=none", []],
    ["MACAddress=02:00:00:00:00:01", ["error mac-address"]],
    ["MACAddress=7e:90:c4:ed:df:d0", []],
    ["NamePolicy=mac path", ["warning interface-name-policy"]],
    ["NamePolicy=keep mac", []],
    ["Name=lan0", ["warning interface-name-policy"]],
    ["MTUBytes=9000", []],
  ])("%s: %p", (text, expected) => expect(codes(link(text))).toEqual(expected));

  test("is told with the file, and with what to install", () => {
    const [finding] = judgeLinkFiles([file(DEFAULT, "/usr/lib/systemd/network/99-default.link")]);
    expect(finding).toMatchObject({
      what: expect.stringContaining("MACAddressPolicy=persistent for host peers (/usr/lib/systemd/network/99-default"),
      fix: expect.stringContaining("10-datapath.link"),
    });
    expect(judgeLinkFiles([])).toBe("no .link file applies to host peers");
  });
});
