/** What the kernel supports, found out by trying: distributions backport and disable features. */
import { programRow, type UnsupportedProgram } from "@dp/core";
import { hasClsact, hasHelper, hasJit, hasProgramType, hasTcx } from "@dp/core/libbpf";
import { currentNetns, netnsCookie, UnsupportedError } from "@dp/sys";
import { hasNftables } from "../kernel/guard-rule.ts";
import { requireSockDiag } from "../kernel/sock-destroyer.ts";
import { error, listed, type Verdict, warning } from "./check.ts";
import type { HostView } from "./host-view.ts";

export function checkAttaching(): Verdict {
  if (hasTcx()) return "by TCX links";
  if (hasClsact()) return "by clsact filters: this kernel has no TCX links";
  const fix = "boot Linux 6.6 or newer, or one built with CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF";
  return [error("no-tc-hooks", "this kernel has neither TCX links nor clsact filters", fix)];
}

/** Single features first: when a program is refused, the verifier's message rarely names the missing feature. */
export function checkPrograms(view: HostView): Verdict {
  const helpers = (["redirect_peer", "redirect_neigh", "timer_init"] as const).filter((name) => !hasHelper(name));
  const types = (["cgroupSockopt", "sockOps"] as const).filter((name) => !hasProgramType(name));
  const missing = [...helpers.map((name) => `bpf_${name}`), ...types.map((name) => TYPES[name])];
  if (missing.length > 0) {
    const what = `this kernel has no ${listed(missing)}`;
    return [error("kernel-feature", what, "boot Linux 6.1 or newer, built with CONFIG_CGROUP_BPF")];
  }
  // Throws on a kernel without network namespace cookies.
  using own = currentNetns();
  netnsCookie(own);
  const [first] = view.unsupported.filter((each) => !isForFreezing(each));
  if (first === undefined) return "this kernel accepts all programs";
  if (hasNftables()) return `this kernel accepts all programs but dp_${first.program}: ${first.error.reason}`;
  const what = "this kernel has neither BPF programs in netfilter nor nftables: dp_guard is missing";
  return [warning("program-unsupported", what, first.error.fix)];
}

const TYPES = { cgroupSockopt: "cgroup/getsockopt programs", sockOps: "sockops programs" } as const;

export function checkFreezing(view: HostView): Verdict {
  if (view.unsupported.find(isForFreezing) === undefined) return "dp freeze can destroy sockets, by BPF";
  try {
    requireSockDiag();
    return "dp freeze can destroy sockets, by sock_diag";
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    return [warning("no-sock-destroy", error.reason, error.fix)];
  }
}

function isForFreezing({ program }: UnsupportedProgram): boolean {
  return programRow(program).hook === "iterator";
}

export function checkJit(): Verdict {
  return judgeJit(hasJit());
}

export function judgeJit(compiled: boolean): Verdict {
  if (compiled) return "programs are compiled to machine code";
  const what = "BPF programs are interpreted: every packet takes several times as long";
  return [warning("jit-off", what, "sysctl -w net.core.bpf_jit_enable=1, then dp load")];
}
