import type { Suite } from "./suite.ts";

/**
 * All suites, in the order in which they run and are listed; loaded when they are needed. `control` is the last: after
 * it the kernel is busy for minutes with the deletion of ten thousand namespaces.
 */
export const SUITES: Readonly<Record<string, () => Promise<Suite>>> = {
  packet: async () => (await import("./packet/packet.ts")).packet,
  path: async () => (await import("./path/path.ts")).path,
  egress: async () => (await import("./egress/egress.ts")).egress,
  control: async () => (await import("./control/control.ts")).control,
};
