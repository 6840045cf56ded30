/** The guard of the host: dp_guard, or where the kernel has no such programs, a rule of nftables. */
import type { HostAttachment, Objects } from "@dp/core";
import { UnsupportedError } from "@dp/sys";
import { deleteGuardRule, hasGuardRule, setGuardRule } from "./kernel/guard-rule.ts";

/**
 * Attaches it, in place of what is there.
 *
 * @returns "attached" when there was none
 * @throws UnsupportedError on a kernel with neither
 */
export function attachGuard({ attachments }: Objects, pinRoot: string): "attached" | "updated" {
  try {
    const attached = attachments.attachToHost();
    // Of a kernel before, or of a table that was left.
    deleteGuardRule(pinRoot);
    return attached;
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    const before = hasGuardRule(pinRoot);
    setGuardRule(pinRoot);
    return before ? "updated" : "attached";
  }
}

export function detachGuard({ attachments }: Objects, pinRoot: string): void {
  attachments.detachFromHost();
  deleteGuardRule(pinRoot);
}

/** The programs of the guard that are not attached. None where the rule is there instead. */
export function missingGuards({ attachments }: Objects, pinRoot: string): HostAttachment[] {
  const missing = attachments.onHost().filter(({ program, state }) => program === "guard" && state !== "attached");
  const isReplaced =
    missing.length > 0 && missing.every(({ state }) => state === "not pinned") && hasGuardRule(pinRoot);
  return isReplaced ? [] : missing;
}
