import type { ProgramName } from "./program-table.ts";

/** A program in the host's network namespace, where one belongs. */
export interface HostAttachment {
  program: ProgramName;
  /** For a program that each IP family has a hook for. */
  family?: "ipv4" | "ipv6";
  /** The pin that keeps it. */
  path: string;
  /** "not pinned": it was never attached, or its pin was removed. "detached": by other software. */
  state: "attached" | "detached" | "not pinned";
}
