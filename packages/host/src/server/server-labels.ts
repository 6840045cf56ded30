import { serverLabel, type ServerRecord } from "@dp/core";

type Named = Pick<ServerRecord, "id" | "name">;

/** "server lobby (id 7), server games (id 8) and 12 more" */
export function serverLabels(records: readonly Named[]): string {
  const SHOWN = 8;
  const names = records.slice(0, SHOWN).map(serverLabel);
  return `${names.join(", ")}${records.length > SHOWN ? ` and ${records.length - SHOWN} more` : ""}`;
}
