/** The room in the kernel's tables of neighbours, which all network namespaces share. */
import { readSysctl } from "../kernel/sysctl.ts";
import { listed, type Verdict, warning } from "./check.ts";

/** Enough for the neighbours of the host and of a thousand containers. */
const NEEDED = 8192;

/** The kernel's tables, by the names of their sysctls. */
const TABLES = ["ipv4", "ipv6"] as const;
type Table = (typeof TABLES)[number];

/**
 * Neighbours that `dp` adds are permanent, and do not count. Those of the host count: with a full table, the host does
 * not find its router.
 */
export function checkNeighbours(): Verdict {
  return judgeNeighbours(
    Object.fromEntries(TABLES.map((table) => [table, readSysctl(`${table}/neigh/default/gc_thresh3`)])) as Limits,
  );
}

/** Undefined in a network namespace that does not show the limit, and for a family that the kernel does not have. */
type Limits = Record<Table, string | undefined>;

export function judgeNeighbours(limits: Limits): Verdict {
  const known = TABLES.filter((table) => limits[table] !== undefined);
  if (known.length === 0) return "not checked: only the first network namespace of a machine shows the limits";
  const low = known.filter((table) => Number(limits[table]) < NEEDED);
  if (low.length === 0) return `room for ${known.map((table) => `${limits[table]} of ${table}`).join(" and ")}`;
  const what =
    `the tables of neighbours are small (${listed(low.map((table) => `${limits[table]} of ${table}`))}), and the ` +
    "containers share them: one that fills them keeps the host from finding its router";
  const set = low.map((table) => `sysctl -w net.${table}.neigh.default.gc_thresh3=${NEEDED}`);
  return [warning("neighbour-table-small", what, set.join(" && "))];
}
