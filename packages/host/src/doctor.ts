import { DatapathError } from "@dp/sys";
import { type DoctorCheck, error, type Verdict, warning } from "./doctor/check.ts";
import { judgeConntrack } from "./doctor/conntrack.ts";
import { checkContainers } from "./doctor/containers.ts";
import { checkFirewall, readRuleset } from "./doctor/firewall.ts";
import { checkHooks } from "./doctor/hooks.ts";
import { checkHostPeers } from "./doctor/host-peers.ts";
import { HostView } from "./doctor/host-view.ts";
import { checkAttaching, checkFreezing, checkJit, checkPrograms } from "./doctor/kernel.ts";
import { checkLibbpf } from "./doctor/libbpf.ts";
import { checkListeners } from "./doctor/listeners.ts";
import { checkMacAddressPolicy } from "./doctor/mac-address-policy.ts";
import { checkBpffs, checkCgroup2 } from "./doctor/mounts.ts";
import { checkNeighbours } from "./doctor/neighbours.ts";
import { checkPortRange } from "./doctor/ports.ts";
import { checkPrivileges } from "./doctor/privileges.ts";
import { checkForwarding, checkRpFilter } from "./doctor/routing.ts";
import type { HostOptions } from "./host-options.ts";
import type { Finding } from "./repair/finding.ts";
import { isHealthy } from "./repair/finding.ts";
import { messageOf } from "./transaction.ts";

/** The result of `doctor`. Contains only JSON values. */
export interface DoctorReport {
  /** No check found an error; warnings do not count. */
  healthy: boolean;
  checks: DoctorCheck[];
}

/**
 * Checks what datapath needs of a host, and what could disturb it: kernel, libbpf, mounts, privileges, udev, sysctls,
 * firewall, other programs on the same hooks. Changes nothing and takes no lock. It works without a loaded datapath;
 * some checks only say more with one. `status` checks the servers.
 *
 * Throws nothing: a check that fails is a finding.
 */
export async function doctor(options: HostOptions = {}): Promise<DoctorReport> {
  using view = new HostView(options);
  const privileges = check("privileges", checkPrivileges);
  const ruleset = readRuleset();
  // Without privileges, every feature would look missing, and nothing would look loaded.
  const privileged = (name: string, look: () => Verdict) =>
    check(name, privileges.ok ? look : () => "not checked: it needs privileges");
  const checks = [
    privileges,
    check("libbpf", checkLibbpf),
    privileged("attaching", checkAttaching),
    privileged("programs", () => checkPrograms(view)),
    privileged("freezing", () => checkFreezing(view)),
    privileged("jit", checkJit),
    check("bpffs", () => checkBpffs(view)),
    check("cgroup2", checkCgroup2),
    check("mac-address-policy", checkMacAddressPolicy),
    privileged("loaded", () => checkLoaded(view)),
    privileged("host-peers", () => checkHostPeers(view)),
    privileged("containers", () => checkContainers(view)),
    privileged("hooks", () => checkHooks(view)),
    check("neighbours", checkNeighbours),
    privileged("rp-filter", () => checkRpFilter(view)),
    privileged("ip-forward", () => checkForwarding(view, ruleset)),
    privileged("firewall", () => checkFirewall(view, ruleset)),
    check("conntrack", () => judgeConntrack(ruleset)),
    privileged("ports", () => checkPortRange(view)),
    privileged("proxy", () => checkListeners(view)),
  ];
  return { healthy: checks.every(({ ok }) => ok), checks };
}

function checkLoaded({ objects, refusal, pinRoot, uplinks, records }: HostView): Verdict {
  if (refusal !== undefined) {
    const what = `what is pinned under ${pinRoot} cannot be opened: ${refusal.reason}`;
    return [error("loaded-unreadable", what, refusal.hint ?? "run dp load again")];
  }
  if (objects === undefined) return `nothing is loaded under ${pinRoot}: run dp load`;
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

/** A missing feature is an error: datapath cannot run. A check that failed is a warning: all may be right. */
function failure(name: string, reason: unknown): Finding {
  const known = reason instanceof DatapathError ? reason : undefined;
  const fix = known?.hint ?? "see what dp doctor --verbose says, and run it as root";
  if (known?.code === "UNSUPPORTED" || name === "programs")
    return error(`${name}-missing`, known?.reason ?? messageOf(reason), fix);
  return warning(`${name}-unknown`, `the check failed: ${messageOf(reason)}`, fix);
}
