import { removeBy, repairBy, problem, serverProblem } from "../../repair/problem.ts";
import { addressPairs } from "../addresses.ts";
import type { ServerPart } from "./part.ts";

/** The dp_containers entries: the server of each container address. */
export const containerEntry: ServerPart = {
  name: "container entry",
  add({ objects, record }) {
    for (const { container } of addressPairs(record)) {
      objects.containers.set(container, { server: record.id, hostPeer: record.hostPeer.ifindex });
    }
  },
  remove({ objects, record }) {
    for (const { container } of addressPairs(record)) {
      if (objects.containers.get(container)?.server === record.id) objects.containers.delete(container);
    }
  },
  check({ objects }, record) {
    const { id, hostPeer } = record;
    return addressPairs(record).flatMap(({ container }) => {
      const found = objects.containers.get(container);
      if (found?.server === id && found.hostPeer === hostPeer.ifindex) return [];
      const code = found === undefined ? "missing-container-entry" : "wrong-container-entry";
      const what = `the dp_containers entry of ${container} ${found === undefined ? "is missing" : "does not match the record"}`;
      const remedy = repairBy(() => objects.containers.set(container, { server: id, hostPeer: hostPeer.ifindex }));
      return serverProblem(record, { code, severity: "error", what }, remedy);
    });
  },
  orphans({ objects, records }) {
    const known = new Set(records.flatMap((record) => addressPairs(record).map(({ container }) => container)));
    return objects.containers.all().flatMap(([address, { server }]) => {
      if (known.has(address)) return [];
      const what = `orphaned dp_containers entry of ${address}, server ${server}`;
      const remedy = removeBy(() => objects.containers.delete(address));
      return problem({ code: "orphaned-container-entry", severity: "error", what }, remedy);
    });
  },
};
