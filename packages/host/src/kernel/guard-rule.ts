/**
 * The guard on kernels without BPF programs in netfilter (before 6.4): an nftables rule that drops packets from a host
 * peer without the mark of dp_snat. It matches host peers by their names. nftables counts the packets it drops.
 */
import { createHash } from "node:crypto";
import { NetlinkError, Nftables, type PreroutingRule } from "@dp/netlink";
import { compare, counter, drop, meta } from "@dp/netlink/codec";
import { SyscallError, UnsupportedError } from "@dp/sys";

/** skb->priority of what dp_snat let through: DP_PASSED of bpf/lib/passed.h. */
export const PASSED = 0x64705f6f;

/** As dp_guard: before all other rules. */
const PRIORITY = -2_000_000_000;

/** Two pin roots of one host have two tables: unloading one leaves the other's. */
export function guardRule(pinRoot: string): PreroutingRule {
  const suffix = createHash("sha256").update(pinRoot).digest("hex").slice(0, 8);
  const name = (text: string) => new TextEncoder().encode(text);
  const passed = new Uint8Array(new Uint32Array([PASSED]).buffer);
  return {
    table: `datapath_guard_${suffix}`,
    priority: PRIORITY,
    // Host peers are dp1, dp2, ...
    expressions: [
      meta("iifname"),
      compare("atLeast", name("dp1")),
      compare("atMost", name("dp9")),
      meta("priority"),
      compare("notEqual", passed),
      counter(),
      drop(),
    ],
  };
}

/** Throws `UnsupportedError` on a kernel without nftables. */
export function setGuardRule(pinRoot: string): void {
  try {
    using nftables = Nftables.open();
    nftables.setPreroutingRule(guardRule(pinRoot));
  } catch (error) {
    if (!(error instanceof SyscallError || error instanceof NetlinkError)) throw error;
    throw new UnsupportedError("nftables", "boot a kernel with nf_tables, or Linux 6.4 or newer", {
      op: "set the guard's rule",
      reason:
        "this kernel has neither BPF programs in netfilter nor nftables: a process that administers a container's " +
        "network can reach services of the host through an ifb device, past dp_snat",
      cause: error,
    });
  }
}

/** Whether the rule is there and unchanged; false as well on a kernel without nftables. */
export function hasGuardRule(pinRoot: string): boolean {
  return withNftables((nftables) => nftables.hasPreroutingRule(guardRule(pinRoot)));
}

/** False when there is none. */
export function deleteGuardRule(pinRoot: string): boolean {
  return withNftables((nftables) => nftables.deleteTable(guardRule(pinRoot).table));
}

/** Whether this kernel has nftables. Changes nothing. */
export function hasNftables(): boolean {
  try {
    using nftables = Nftables.open();
    nftables.hasPreroutingRule(guardRule(""));
    return true;
  } catch (error) {
    if (error instanceof SyscallError || error instanceof NetlinkError) return false;
    throw error;
  }
}

function withNftables(ask: (nftables: Nftables) => boolean): boolean {
  try {
    using nftables = Nftables.open();
    return ask(nftables);
  } catch (error) {
    if (error instanceof SyscallError || error instanceof NetlinkError) return false;
    throw error;
  }
}
