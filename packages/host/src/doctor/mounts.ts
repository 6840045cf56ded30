/** The mounts datapath needs: a bpffs for the pin root, and cgroup2. */
import { readFileSync, readlinkSync } from "node:fs";
import { resolve } from "node:path";
import { isBpffs, isCgroup2 } from "@dp/sys";
import { HOST_PEER_MAC } from "../interfaces/veth-pair.ts";
import { type Mount, parseMounts } from "../kernel/mountinfo.ts";
import { dangerOf, isWritableByOthers } from "../pins/folders.ts";
import { lookAtRootFolder } from "../pins/root-folder.ts";
import { error, listed, type Verdict, warning } from "./check.ts";
import type { HostView } from "./host-view.ts";

export function checkBpffs({ pinRoot, netlink }: HostView): Verdict {
  if (!/^nodev\tbpf$/m.test(readFileSync("/proc/filesystems", "utf8"))) {
    return [error("no-bpffs", "this kernel has no bpffs", "boot one built with CONFIG_BPF_SYSCALL")];
  }
  if (!isBpffs(pinRoot)) {
    const orphans = netlink.links().filter(({ kind, mac }) => kind === "veth" && mac === HOST_PEER_MAC);
    if (orphans.length === 0) {
      const folder = lookAtRootFolder(pinRoot);
      if (!folder.usable)
        return [error("pin-root-unusable", `${pinRoot} cannot be used: ${folder.reason}`, folder.hint)];
      const what = `no bpffs is mounted on ${pinRoot}: nothing is loaded there`;
      return [warning("bpffs-missing", what, "dp load mounts one; for every boot, see examples/systemd")];
    }
    const names = orphans.length > 3 ? `${orphans.length} of them` : listed(orphans.map(({ name }) => name));
    const what = `no bpffs is mounted on ${pinRoot}, and there are servers' interfaces (${names}): it was unmounted`;
    const fix =
      "dp load, then add the servers again; or run dp in the mount namespace of process 1: nsenter --mount -t 1 dp ...";
    return [error("bpffs-lost", what, fix)];
  }
  const danger = dangerOf(pinRoot);
  if (danger !== undefined) return [error("pin-root-unsafe", danger.reason, danger.hint)];
  if (!isMountedForAll(resolve(pinRoot))) {
    const what = `the bpffs on ${pinRoot} is in a mount namespace of its own: what is loaded ends with that`;
    const fix = "load in the mount namespace of process 1: nsenter --mount -t 1 dp load (`ip netns exec` leaves that)";
    return [warning("bpffs-private", what, fix)];
  }
  if (isWritableByOthers(pinRoot)) {
    const what = `other users may create files in ${pinRoot}: before the first load, they can make its folders theirs`;
    return [warning("pin-root-writable", what, `chmod 0700 ${pinRoot}; what is loaded is closed to them in any case`)];
  }
  return `${pinRoot} is on a bpffs that is closed to other users`;
}

/** Whether process 1 sees the mount. True as well when the mounts of process 1 cannot be read. */
function isMountedForAll(path: string): boolean {
  try {
    if (readlinkSync("/proc/self/ns/mnt") === readlinkSync("/proc/1/ns/mnt")) return true;
    const mounts = parseMounts(readFileSync("/proc/1/mountinfo", "utf8"), "bpf");
    return mounts.some((mount) => path === mount.path || path.startsWith(mount.path === "/" ? "/" : `${mount.path}/`));
  } catch {
    return true;
  }
}

export function checkCgroup2(): Verdict {
  const mountinfo = readFileSync("/proc/self/mountinfo", "utf8");
  // A mount that is hidden under another one does not count.
  return judgeCgroup2(
    parseMounts(mountinfo, "cgroup2").filter(({ path }) => isCgroup2(path)),
    mountinfo,
  );
}

/** @param mounts the cgroup2 mounts that are not hidden under another mount */
export function judgeCgroup2(mounts: readonly Mount[], mountinfo: string): Verdict {
  const whole = mounts.filter(({ root }) => root === "/");
  const [first] = whole;
  if (first !== undefined) {
    const hybrid = parseMounts(mountinfo, "cgroup").length > 0 ? ", beside cgroup version 1" : "";
    return `mounted on ${listed(whole.map(({ path }) => path))}${hybrid}`;
  }
  const [part] = mounts;
  if (part !== undefined) {
    const what = `only the part ${part.root} of cgroup2 is mounted, on ${part.path}: proxies outside it do not work`;
    return [
      warning("cgroup2-partial", what, "run it outside of the container, or start the proxies below that cgroup"),
    ];
  }
  const what = "no cgroup2 is mounted: SO_ORIGINAL_DST would not work for proxies";
  return [error("cgroup2-missing", what, "mkdir -p /run/cgroup2 && mount -t cgroup2 cgroup2 /run/cgroup2")];
}
