import { requirePrivileges } from "../kernel/privileges.ts";
import type { Verdict } from "./check.ts";

/** Throws what every command would. */
export function checkPrivileges(): Verdict {
  requirePrivileges("look for privileges");
  return "it may change interfaces, network namespaces and BPF programs";
}
