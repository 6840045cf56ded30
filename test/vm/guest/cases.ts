import type { Case } from "./case.ts";
import { freeze } from "./cases/freeze.ts";
import { guard } from "./cases/guard.ts";
import { kill } from "./cases/kill.ts";
import { load } from "./cases/load.ts";
import { redirect } from "./cases/redirect.ts";
import { repair } from "./cases/repair.ts";
import { servers } from "./cases/servers.ts";
import { traffic } from "./cases/traffic.ts";
import { unload } from "./cases/unload.ts";
import { upgrade } from "./cases/upgrade.ts";
import { uplinks } from "./cases/uplinks.ts";
import { walkMap } from "./cases/walk-map.ts";

/** In this order: what one leaves behind is what the next begins with. */
export const CASES: readonly Case[] = [
  load,
  servers,
  traffic,
  redirect,
  guard,
  upgrade,
  kill,
  repair,
  freeze,
  ...uplinks,
  ...unload,
  walkMap,
];
