/** Settings of the host's own IP stack: forwarding and reverse path filtering. */
import { readSysctl } from "../kernel/sysctl.ts";
import { listed, type Verdict, warning } from "./check.ts";
import { forwardsToContainers, type Ruleset } from "./firewall.ts";
import type { HostView } from "./host-view.ts";

/** Players' packets bypass the host's stack. The proxy's packets do not. */
export function checkRpFilter({ uplinks, objects }: HostView): Verdict {
  if (objects === undefined) return "nothing is loaded";
  const all = readSysctl("ipv4/conf/all/rp_filter");
  return judgeRpFilter(
    uplinks.map(({ name }) => ({ name, mode: modeOf(all, readSysctl(`ipv4/conf/${name}/rp_filter`)) })),
  );
}

/** The kernel uses the higher of the two settings: 0 is off, 1 strict, 2 loose. */
export function modeOf(all: string | undefined, own: string | undefined): number {
  return Math.max(Number(all ?? 0), Number(own ?? 0));
}

const STRICT = 1;

/** With one uplink, every answer returns by it. With several, an answer may arrive by another one. */
export function judgeRpFilter(uplinks: readonly { name: string; mode: number }[]): Verdict {
  const strict = uplinks.filter(({ mode }) => mode === STRICT).map(({ name }) => name);
  if (strict.length === 0) return "no uplink has a strict reverse path filter";
  if (uplinks.length === 1)
    return `${strict.join()} has a strict reverse path filter, which drops nothing with one uplink`;
  const what =
    `${listed(strict)} ${strict.length === 1 ? "has" : "have"} a strict reverse path filter (rp_filter is 1): ` +
    "answers to the proxy that arrive by another uplink than the route to their sender are dropped";
  const set = ["all", ...strict].map((name) => `sysctl -w net.ipv4.conf.${name}.rp_filter=2`);
  return [warning("rp-filter-strict", what, set.join(" && "))];
}

/** datapath does not need forwarding. With it, packets can reach containers past the programs. */
export function checkForwarding({ uplinks, config }: HostView, ruleset: Ruleset | undefined): Verdict {
  if (config === undefined) return "nothing is loaded";
  const open = uplinks.filter(({ name }) => readSysctl(`ipv4/conf/${name}/forwarding`) === "1");
  if (open.length === 0) return "off on the uplinks";
  const names = listed(open.map(({ name }) => name));
  if (!forwardsToContainers(ruleset)) return `on for ${names}; the firewall drops what is forwarded to containers`;
  const what =
    `the host forwards packets from ${names} (net.ipv4.conf.${open[0]?.name}.forwarding is 1): machines there ` +
    `with a route to ${Object.values(config.containerSubnets).join(" and ")} through this host can send packets to every port of a container`;
  const fix =
    "sysctl -w net.ipv4.ip_forward=0; or, if forwarding is needed: nft 'table inet datapath_guard " +
    '{ chain forward { type filter hook forward priority 0; oifname "dp*" drop; }; }\'';
  return [warning("ip-forward", what, fix)];
}
