import { beforeChange } from "./fault.ts";
import { check, libc } from "./libc.ts";

const BPF_FS_MAGIC = 0xcafe4a11n;
const CGROUP2_SUPER_MAGIC = 0x63677270n;

/** statfs(2) f_type of the filesystem that holds `path`, or undefined when the path does not exist. */
function filesystemMagic(path: string): bigint | undefined {
  const buf = new Uint8Array(120);
  if (libc.statfs(path, buf) !== 0) return undefined;
  return BigInt.asUintN(32, new DataView(buf.buffer).getBigInt64(0, true));
}

/** Whether a path is on a bpffs; false when nothing is there. Throws nothing. */
export function isBpffs(path: string): boolean {
  return filesystemMagic(path) === BPF_FS_MAGIC;
}

/** Whether a path is on a cgroup2 hierarchy; false when nothing is there. Throws nothing. */
export function isCgroup2(path: string): boolean {
  return filesystemMagic(path) === CGROUP2_SUPER_MAGIC;
}

/** Mounts a bpffs on an existing directory, with mode 0700: pins are root's business. Throws `SyscallError`. */
export function mountBpffs(directory: string): void {
  beforeChange("mount a bpffs on", directory);
  const MS_NOSUID = 2;
  const MS_NODEV = 4;
  const MS_NOEXEC = 8;
  const data = new TextEncoder().encode("mode=0700\0");
  check(
    libc.mount("bpffs", directory, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, data),
    `mount a bpffs on ${directory}`,
    "mount",
    directory,
  );
}

/** umount2(2). Throws `SyscallError`. */
export function unmount(directory: string): void {
  beforeChange("unmount", directory);
  check(libc.umount2(directory, 0), `unmount ${directory}`, "umount2", directory);
}
