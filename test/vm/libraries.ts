/** What the dynamic linker loads for these programs and libraries: whole paths, the linker's own among them. */
export function librariesOf(files: readonly string[]): Set<string> {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["ldd", ...files]);
  if (exitCode !== 0) throw new Error(`ldd: ${stderr}${stdout}`);
  const text = stdout.toString();
  const missing = /^\s+(\S+) => not found/m.exec(text)?.[1];
  if (missing !== undefined) throw new Error(`${missing} is not installed`);
  // "libelf.so.1 => /lib/x86_64-linux-gnu/libelf.so.1 (0x...)", and the linker alone: "/lib64/ld-linux... (0x...)".
  return new Set([...text.matchAll(/^\s+(?:\S+ => )?(\/\S+) \(0x/gm)].map(([, path]) => path as string));
}

/** Where the dynamic linker finds a library of this name. */
export function libraryNamed(name: string): string {
  const { stdout } = Bun.spawnSync(["/sbin/ldconfig", "-p"]);
  // "	libbpf.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libbpf.so.1"
  const line = stdout
    .toString()
    .split("\n")
    .find((each) => each.trim().startsWith(`${name} (libc6,x86-64`));
  const path = line?.split(" => ")[1];
  if (path === undefined) throw new Error(`${name} is not installed: run tools/bootstrap --tests`);
  return path;
}
