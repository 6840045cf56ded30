import { requirePrivileges } from "../kernel/privileges.ts";
import type { Verdict } from "./check.ts";

/** Throws the same error as every command. */
export function checkPrivileges(): Verdict {
  requirePrivileges("check privileges");
  return "CAP_NET_ADMIN and CAP_SYS_ADMIN";
}
