import { expect, test } from "bun:test";
import { commonCgroup, parseCgroup2Mounts, parseCgroup2Path } from "../src/kernel/cgroup.ts";

test("cgroup2 mounts are found among all others, wherever they are, the whole hierarchy first", () => {
  const mountinfo = [
    "24 1 0:22 / /sys rw,nosuid shared:7 - sysfs sysfs rw",
    "35 30 0:30 /docker/abc /mnt/part\\040of\\040it rw,relatime - cgroup2 cgroup2 rw",
    "31 24 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755",
    "32 31 0:28 / /sys/fs/cgroup/unified rw,nosuid shared:9 master:2 - cgroup2 cgroup2 rw,nsdelegate",
    "33 31 0:29 / /sys/fs/cgroup/cpu rw shared:10 - cgroup cgroup rw,cpu",
    "",
  ].join("\n");
  expect(parseCgroup2Mounts(mountinfo)).toEqual([
    { path: "/sys/fs/cgroup/unified", root: "/" },
    { path: "/mnt/part of it", root: "/docker/abc" },
  ]);
  expect(parseCgroup2Mounts("")).toEqual([]);
});

test("a process's cgroup2 path is told from those of cgroup1", () => {
  expect(parseCgroup2Path("12:cpu,cpuacct:/a\n1:name=systemd:/b\n0::/machine.slice/lobby\n")).toBe(
    "/machine.slice/lobby",
  );
  expect(parseCgroup2Path("0::/\n")).toBe("/");
  expect(parseCgroup2Path("0::/with blanks: and colons\n")).toBe("/with blanks: and colons");
  expect(parseCgroup2Path("0::/gone (deleted)\n")).toBeUndefined();
  expect(parseCgroup2Path("1:cpu:/a\n")).toBeUndefined();
});

test("the common cgroup is the deepest one above or at all", () => {
  expect(commonCgroup([])).toBeUndefined();
  expect(commonCgroup(["/"])).toBe("/");
  expect(commonCgroup(["/a/b"])).toBe("/a/b");
  expect(commonCgroup(["/a/b", "/a/b"])).toBe("/a/b");
  expect(commonCgroup(["/a/b/c", "/a/b"])).toBe("/a/b");
  expect(commonCgroup(["/a/b", "/a/bc"])).toBe("/a");
  expect(commonCgroup(["/a/b/c", "/a/b/d/e", "/a/b/c"])).toBe("/a/b");
  expect(commonCgroup(["/a", "/b"])).toBe("/");
  expect(commonCgroup(["/a", "/"])).toBe("/");
});
