import type { Suite } from "./suite.ts";

/** All there are, in the order in which they are run and told of. Loaded when they are asked for. */
export const SUITES: Readonly<Record<string, () => Promise<Suite>>> = {
  packet: async () => (await import("./packet/packet.ts")).packet,
  path: async () => (await import("./path/path.ts")).path,
  control: async () => (await import("./control/control.ts")).control,
  egress: async () => (await import("./egress/egress.ts")).egress,
};
