import type { Server } from "@dp/host";
import type { Style } from "./style.ts";

/** A server's state in the colour of how well it is. */
export function paintState(text: string, state: Server["state"], style: Style): string {
  if (state === "active") return style.green(text);
  return state === "gone" ? style.red(text) : style.yellow(text);
}
