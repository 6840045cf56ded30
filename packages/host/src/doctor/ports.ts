import { ephemeralRange, overlap, type PortRange } from "../kernel/ephemeral-range.ts";
import { type Verdict, warning } from "./check.ts";
import type { HostView } from "./host-view.ts";

/** Ports of servers are reserved; ports that servers may get later are not. */
export function checkPortRange({ settings }: HostView): Verdict {
  if (settings === undefined) return "nothing is loaded";
  return judgePortRange(settings.portRange, ephemeralRange());
}

export function judgePortRange(range: PortRange, ephemeral: PortRange): Verdict {
  const shared = overlap(range, ephemeral);
  const text = range.join("-");
  if (shared === undefined) return `${text} does not overlap the ephemeral range`;
  const what =
    `of the ports for servers, ${text}, the host takes ${shared.join("-")} for its own connections ` +
    `(net.ipv4.ip_local_port_range is ${ephemeral.join("-")}): add-server may find one taken`;
  const above = range[1] < 60000 ? `${range[1] + 1} 65535` : `1024 ${range[0] - 1}`;
  const fix = `sysctl -w net.ipv4.ip_local_port_range="${above}", or dp load --port-range with others`;
  return [warning("port-range", what, fix)];
}
