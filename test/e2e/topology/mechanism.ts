import { hasTcx } from "@dp/core/libbpf";

const asked = process.env["DP_ATTACH"] ?? "";

/** How `dp` attaches its programs here: as DP_ATTACH says, which it reads too, else as this kernel can. */
export const MECHANISM = asked === "tcx" || asked === "clsact" ? asked : hasTcx() ? "tcx" : "clsact";
