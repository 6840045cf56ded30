import type { Suite } from "./suite.ts";

/**
 * All there are, in the order in which they are run and told of. Loaded when they are asked for. Last comes what leaves
 * the kernel with work for minutes: it takes ten thousand namespaces down.
 */
export const SUITES: Readonly<Record<string, () => Promise<Suite>>> = {
  packet: async () => (await import("./packet/packet.ts")).packet,
  path: async () => (await import("./path/path.ts")).path,
  egress: async () => (await import("./egress/egress.ts")).egress,
  control: async () => (await import("./control/control.ts")).control,
};
