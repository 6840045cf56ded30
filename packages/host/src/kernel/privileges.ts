import { readFileSync } from "node:fs";
import { UnsupportedError } from "@dp/sys";

/** Bits of linux/capability.h. */
const NEEDED = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21 } as const;

/** Throws `UnsupportedError` unless this process may change network namespaces and load BPF programs. */
export function requirePrivileges(op: string): void {
  const effective = effectiveCapabilities(readFileSync("/proc/self/status", "latin1"));
  const missing = Object.entries(NEEDED).filter(([, bit]) => ((effective >> BigInt(bit)) & 1n) === 0n);
  if (missing.length === 0) return;
  const names = missing.map(([name]) => name).join(" and ");
  const user = process.geteuid?.() ?? 0;
  if (user === 0) {
    throw new UnsupportedError(names, "run it outside of the container, or give the container these capabilities", {
      op,
      reason: `root lacks ${names} here`,
    });
  }
  throw new UnsupportedError("root", "run it as root: sudo dp ...", { op, reason: "this needs root" });
}

/** The effective set in /proc/PID/status. */
export function effectiveCapabilities(status: string): bigint {
  const [, hex] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  return hex === undefined ? 0n : BigInt(`0x${hex}`);
}
