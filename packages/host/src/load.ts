import { Netlink } from "@dp/netlink";
import { during } from "./during.ts";
import { requirePrivileges } from "./kernel/privileges.ts";
import { apply } from "./load/apply.ts";
import { checkOptions } from "./load/check-options.ts";
import { type LoadOptions, OP } from "./load/options.ts";
import { planLoad } from "./load/plan.ts";
import { prepare } from "./load/prepare.ts";
import { recover } from "./load/recover.ts";
import { repairServers } from "./load/repair.ts";
import type { LoadResult } from "./load/result.ts";
import { withPreparedPinRoot } from "./pins/prepare.ts";

/**
 * Loads the programs, pins them, and attaches them to the uplinks. On a host that is loaded already it is an upgrade in
 * place: servers stay, and no packet of theirs is lost.
 *
 * A load has five stages, each a file of load/: prepare (the pin root, and what is pinned there), recover (changes of
 * killed commands), plan (everything is read, decided and checked, nothing is changed), apply (the plan, whole or not
 * at all) and repair (what servers lack besides).
 *
 * @throws DatapathError `BAD_USAGE` for values that cannot be (before anything is changed), `CONFLICT` for what present
 *   servers rule out, `UNSUPPORTED` when the kernel, the machine or the privileges lack something. After any error the
 *   host is as it was: a first load leaves nothing, a later load leaves the previous one running.
 */
export async function load(options: LoadOptions = {}): Promise<LoadResult> {
  return during(OP, async () => {
    checkOptions(options);
    requirePrivileges(OP);
    return await withPreparedPinRoot(options, () => {
      using host = Netlink.open();
      using previous = prepare(host, options);
      recover(previous, host, options);
      const plan = planLoad(host, previous, options);
      const loaded = apply(plan, host, previous, options);
      return { ...loaded, ...repairServers(host, options) };
    });
  });
}
