import { outdatedMtu, setMtu } from "../../interfaces/server-mtu.ts";
import { repairBy, serverProblem } from "../../repair/problem.ts";
import type { ServerPart } from "./part.ts";

/** The MTU of both peers: that of the uplinks, unless the server was added with an MTU. */
export const mtu: ServerPart = {
  name: "MTU",
  check(view, record) {
    const { objects, netlink, options } = view;
    const outdated = outdatedMtu(record, view.uplinks, view.link(record.hostPeer.ifindex));
    if (outdated === undefined) return [];
    const { was, is } = outdated;
    const what =
      was === is
        ? "its record has another MTU than its uplinks"
        : `its peers have an MTU of ${was}, and by its uplinks it should be ${is}`;
    const remedy = repairBy(() => setMtu({ objects, netlink, options }, record, outdated));
    return [serverProblem(record, { code: "mtu-outdated", severity: "warning", what }, remedy)];
  },
};
