/** What the host's own stack does with packets: forwarding, reverse path filtering. */
import { readSysctl } from "../kernel/sysctl.ts";
import { listed, type Verdict, warning } from "./check.ts";
import { forwardsToContainers, type Ruleset } from "./firewall.ts";
import type { Patient } from "./patient.ts";

/** Packets to and from players never get to the host's stack. Those of the proxy do. */
export function checkRpFilter({ uplinks, objects }: Patient): Verdict {
  if (objects === undefined) return "nothing is loaded that it could matter to";
  const all = readSysctl("ipv4/conf/all/rp_filter");
  return judgeRpFilter(
    uplinks.map(({ name }) => ({ name, mode: modeOf(all, readSysctl(`ipv4/conf/${name}/rp_filter`)) })),
  );
}

/** Of the two settings the higher counts: 0 is off, 1 strict, 2 loose. */
export function modeOf(all: string | undefined, own: string | undefined): number {
  return Math.max(Number(all ?? 0), Number(own ?? 0));
}

const STRICT = 1;

/** One uplink is the way back of all that came in by it. With several, an answer may come in by another. */
export function judgeRpFilter(uplinks: readonly { name: string; mode: number }[]): Verdict {
  const strict = uplinks.filter(({ mode }) => mode === STRICT).map(({ name }) => name);
  if (strict.length === 0) return "no uplink filters by reverse path strictly";
  if (uplinks.length === 1) return `${strict.join()} filters strictly, which does no harm with one uplink`;
  const what =
    `${listed(strict)} ${strict.length === 1 ? "drops" : "drop"} what would not be answered by the same interface ` +
    "(rp_filter is 1, strict): answers to the proxy that come in by another uplink than they were asked by are lost";
  const set = ["all", ...strict].map((name) => `sysctl -w net.ipv4.conf.${name}.rp_filter=2`);
  return [warning("rp-filter-strict", what, set.join(" && "))];
}

/** Not needed: programs carry everything. What it opens is a way around them, into the containers. */
export function checkForwarding({ uplinks, config }: Patient, ruleset: Ruleset | undefined): Verdict {
  if (config === undefined) return "nothing is loaded that it could open";
  const open = uplinks.filter(({ name }) => readSysctl(`ipv4/conf/${name}/forwarding`) === "1");
  if (open.length === 0) return "off on the uplinks, where nothing needs it";
  const names = listed(open.map(({ name }) => name));
  if (!forwardsToContainers(ruleset)) return `on on ${names}, and the firewall keeps it from containers`;
  const what =
    `the host forwards what comes in by ${names} (net.ipv4.conf.${open[0]?.name}.forwarding is 1): computers there ` +
    `with a route to ${config.containerSubnet} by way of this host can send packets to every port of a container`;
  const fix =
    "sysctl -w net.ipv4.ip_forward=0; or, where something else needs it: nft 'table inet datapath_guard " +
    '{ chain forward { type filter hook forward priority 0; oifname "dp*" drop; }; }\'';
  return [warning("ip-forward", what, fix)];
}
