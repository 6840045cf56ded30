/** For files of tests that need root: they fail without it, and are not skipped. */
export function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new Error("these tests change network namespaces, mounts and BPF programs: run them as root (tools/sandbox)");
}
