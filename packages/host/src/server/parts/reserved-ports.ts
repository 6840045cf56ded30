import { releasePorts, reservePorts } from "../../kernel/reserved-ports.ts";
import { repairBy, serverProblem } from "../../repair/problem.ts";
import { portOwners, publicPorts } from "../ports.ts";
import type { ServerPart } from "./part.ts";

/** Reserves the public ports, so that the kernel does not use them for connections of the host. */
export const reservedPorts: ServerPart = {
  name: "reserve ports",
  add: ({ objects, record }) => reservePorts(objects, publicPorts(record)),
  remove({ objects, record }) {
    // A port that another server has on another address or with another protocol stays reserved.
    const owners = portOwners(objects);
    const isShared = (port: number) => owners(port).some((id) => id !== record.id);
    releasePorts(
      objects,
      publicPorts(record).filter((port) => !isShared(port)),
    );
  },
  check({ objects, reserved }, record) {
    const missing = publicPorts(record).filter((port) => !reserved.has(port));
    if (missing.length === 0) return [];
    const ports = missing.length === 1 ? `port ${missing[0]}` : `ports ${missing[0]} and ${missing.length - 1} more`;
    const what = `its ${ports} not in net.ipv4.ip_local_reserved_ports: a connection of the host could take it`;
    const remedy = repairBy(() => reservePorts(objects, missing));
    return [serverProblem(record, { code: "port-not-reserved", severity: "warning", what }, remedy)];
  },
};
