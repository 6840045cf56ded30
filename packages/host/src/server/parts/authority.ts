import { ADMINISTRATOR_REMEDY, describeAdministrator } from "../../container/authority.ts";
import { serverProblem } from "../../repair/problem.ts";
import type { ServerPart } from "./part.ts";

/**
 * What the container may do to the host's network. It is checked before a server is added; afterwards a process with
 * more capabilities may have been started in the container.
 */
export const authority: ServerPart = {
  name: "authority",
  check(view, record) {
    if (view.options.inside === false || record.trusted) return [];
    const administrator = view.administrators.get(record.netns.inode);
    if (administrator === undefined) return [];
    const what = describeAdministrator(administrator);
    const fix = `${ADMINISTRATOR_REMEDY}: dp del-server ${record.name}, then add it again`;
    return [serverProblem(record, { code: "container-administers-host", severity: "error", what }, fix)];
  },
};
