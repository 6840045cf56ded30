import { join } from "node:path";
import { PUBLIC_ADDRESS } from "../topology/internet.ts";
import type { NetworkNamespace } from "../topology/namespace.ts";
import { type Program, ProgramError, SLOWNESS } from "../topology/program.ts";

const program = (name: string) => ["bun", join(import.meta.dirname, `${name}.ts`)];

/** Starts traffic/server.ts and waits until it listens. */
export async function serve(container: NetworkNamespace, port = 25565): Promise<Program> {
  const server = container.spawn([...program("server"), `${port}`]);
  await server.event("listening");
  return server;
}

export interface Target {
  readonly address?: string;
  readonly port: number;
}

export interface Transfer {
  readonly seconds: number;
  /** SHA-256 of what left one end, and of what arrived at the other. */
  readonly sent: string;
  readonly received: string;
}

/** Moves `bytes` through one TCP connection. Throws when the connection is not made, or breaks. */
export async function transfer(
  player: NetworkNamespace,
  { address = PUBLIC_ADDRESS, port }: Target,
  direction: "download" | "upload",
  bytes: number,
): Promise<Transfer> {
  await using client = player.spawn([...program("client"), address, `${port}`, direction, `${bytes}`]);
  const { seconds, sent, received } = await client.event("done");
  return { seconds, sent, received } as Transfer;
}

/** Opens a connection that sends a little now and then, for a minute (more on a slow machine) or until disposed of. */
export async function converse(
  player: NetworkNamespace,
  { address = PUBLIC_ADDRESS, port }: Target,
  sourcePort?: number,
): Promise<Program> {
  const source = sourcePort === undefined ? [] : [`${sourcePort}`];
  const client = player.spawn([...program("client"), address, `${port}`, "echo", `${60 * SLOWNESS}`, ...source]);
  await client.event("echo");
  return client;
}

/** Why a connection cannot be made: the name of the errno. Throws when it can. */
export async function refusal(player: NetworkNamespace, { address = PUBLIC_ADDRESS, port }: Target): Promise<string> {
  await using client = player.spawn([...program("client"), address, `${port}`, "echo", "0"]);
  const { code, stdout } = await client.finished();
  const [failed] = client.events.filter(({ event }) => event === "failed");
  if (code === 0 || failed === undefined) throw new ProgramError(`the connection was made:\n${stdout}`);
  return failed["code"] as string;
}
