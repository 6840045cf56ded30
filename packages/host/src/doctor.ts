import { DatapathError } from "@dp/sys";
import { type DoctorCheck, error, type Verdict, warning } from "./doctor/check.ts";
import { checkFirewall, readRuleset } from "./doctor/firewall.ts";
import { checkHooks } from "./doctor/hooks.ts";
import { checkHostPeers } from "./doctor/host-peers.ts";
import { checkAttaching, checkFreezing, checkJit, checkPrograms } from "./doctor/kernel.ts";
import { checkLibbpf } from "./doctor/libbpf.ts";
import { checkListeners } from "./doctor/listeners.ts";
import { checkMacAddressPolicy } from "./doctor/mac-address-policy.ts";
import { checkBpffs, checkCgroup2 } from "./doctor/mounts.ts";
import { Patient } from "./doctor/patient.ts";
import { checkPortRange } from "./doctor/ports.ts";
import { checkPrivileges } from "./doctor/privileges.ts";
import { checkForwarding, checkRpFilter } from "./doctor/routing.ts";
import type { HostOptions } from "./host-options.ts";
import type { Finding } from "./repair/finding.ts";
import { isHealthy } from "./repair/finding.ts";
import { messageOf } from "./transaction.ts";

/** What `doctor` says of a host. All of it can be written as JSON. */
export interface DoctorReport {
  /** No check found an error; warnings do not count. */
  healthy: boolean;
  checks: DoctorCheck[];
}

/**
 * Looks at what datapath needs of a host and what could get in its way: the kernel, libbpf, mounts, privileges, udev,
 * settings, others' programs. Changes nothing, takes no lock, and needs nothing loaded: what only matters then is
 * looked at then. Whether what is loaded is whole is `status`'s to say.
 *
 * It always answers: what cannot be looked at is a finding too.
 * It throws nothing.
 */
export async function doctor(options: HostOptions = {}): Promise<DoctorReport> {
  using patient = new Patient(options);
  const privileges = check("privileges", checkPrivileges);
  const ruleset = readRuleset();
  // To who may not even try, the kernel seems to have nothing, and nothing seems to be loaded.
  const privileged = (name: string, look: () => Verdict) =>
    check(name, privileges.ok ? look : () => "not looked at: it takes privileges");
  const checks = [
    privileges,
    check("libbpf", checkLibbpf),
    privileged("attaching", checkAttaching),
    privileged("programs", checkPrograms),
    privileged("freezing", checkFreezing),
    privileged("jit", checkJit),
    check("bpffs", () => checkBpffs(patient)),
    check("cgroup2", checkCgroup2),
    check("mac-address-policy", checkMacAddressPolicy),
    privileged("loaded", () => checkLoaded(patient)),
    privileged("host-peers", () => checkHostPeers(patient)),
    privileged("hooks", () => checkHooks(patient)),
    privileged("rp-filter", () => checkRpFilter(patient)),
    privileged("ip-forward", () => checkForwarding(patient, ruleset)),
    privileged("firewall", () => checkFirewall(patient, ruleset)),
    privileged("ports", () => checkPortRange(patient)),
    privileged("proxy", () => checkListeners(patient)),
  ];
  return { healthy: checks.every(({ ok }) => ok), checks };
}

function checkLoaded({ objects, refusal, pinRoot, uplinks, records }: Patient): Verdict {
  if (refusal !== undefined) {
    const what = `what is pinned under ${pinRoot} cannot be opened: ${refusal.reason}`;
    return [error("loaded-unreadable", what, refusal.hint ?? "run dp load again")];
  }
  if (objects === undefined) return `nothing is, under ${pinRoot}: dp load`;
  const servers = records.length === 1 ? "1 server" : `${records.length} servers`;
  return `on ${uplinks.map(({ name }) => name).join(", ") || "no uplink"}, ${servers}`;
}

function check(name: string, look: () => Verdict): DoctorCheck {
  const verdict = attempt(name, look);
  const findings = typeof verdict === "string" ? [] : [...verdict];
  const what = typeof verdict === "string" ? verdict : findings.map((finding) => finding.what).join("; ");
  return { name, ok: isHealthy(findings), what, findings };
}

function attempt(name: string, look: () => Verdict): Verdict {
  try {
    return look();
  } catch (reason) {
    return [failure(name, reason)];
  }
}

/** What is lacking keeps datapath from running; what only could not be looked at may be all right. */
function failure(name: string, reason: unknown): Finding {
  const known = reason instanceof DatapathError ? reason : undefined;
  const fix = known?.hint ?? "see what dp doctor --verbose says, and run it as root";
  if (known?.code === "UNSUPPORTED" || name === "programs")
    return error(`${name}-missing`, known?.reason ?? messageOf(reason), fix);
  return warning(`${name}-unknown`, `it cannot be told: ${messageOf(reason)}`, fix);
}
