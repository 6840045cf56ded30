import type { Server } from "@dp/host";

/** "server lobby (id 7)": how messages name a server. */
export function serverLabel({ id, name }: Pick<Server, "id" | "name">): string {
  return `server ${name} (id ${id})`;
}
