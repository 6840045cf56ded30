import { join } from "node:path";
import { type Program, ProgramError, SLOWNESS } from "@dp/test-kit/program.ts";
import { PUBLIC_ADDRESS } from "../topology/internet.ts";
import type { NetworkNamespace } from "../topology/namespace.ts";

const program = (name: string) => ["bun", join(import.meta.dirname, `${name}.ts`)];

/** The files of a key and its certificate. */
export interface TlsFiles {
  readonly key: string;
  readonly certificate: string;
}

/** Starts traffic/server.ts and waits until it listens. */
export async function serve(container: NetworkNamespace, port = 25565, tls?: TlsFiles): Promise<Program> {
  const files = tls === undefined ? [] : [tls.key, tls.certificate];
  const server = container.spawn([...program("server"), `${port}`, ...files]);
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

/** Starts to fetch `bytes` through one TCP connection, and leaves it to itself. */
export function download(player: NetworkNamespace, { address = PUBLIC_ADDRESS, port }: Target, bytes: number): Program {
  return player.spawn([...program("client"), address, `${port}`, "download", `${bytes}`]);
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

/** How a connection ends that is made but not answered: the name of the errno, or "closed". */
export async function connectionError(
  player: NetworkNamespace,
  { address = PUBLIC_ADDRESS, port }: Target,
): Promise<string> {
  await using client = player.spawn([...program("client"), address, `${port}`, "echo", "60"]);
  const { code } = await client.event("failed");
  if (client.events.some(({ event }) => event === "echo")) throw new ProgramError("it was answered");
  return code as string;
}

/** traffic/crowd.ts, running: players who stay, and others who come and go. */
export class Crowd implements AsyncDisposable {
  readonly #program: Program;

  private constructor(program: Program) {
    this.#program = program;
  }

  /** Starts it, and waits until every stream goes. */
  static async start(
    player: NetworkNamespace,
    { address = PUBLIC_ADDRESS, port }: Target,
    { streams, perSecond }: { streams: number; perSecond: number },
  ): Promise<Crowd> {
    const crowd = new Crowd(player.spawn([...program("crowd"), address, `${port}`, `${streams}`, `${perSecond}`]));
    await crowd.goesOn();
    return crowd;
  }

  /** Waits until every stream has got back what it sent after this was called. Throws when a connection has failed. */
  async goesOn(): Promise<void> {
    const beats = () => this.#program.events.filter(({ event }) => event === "beat") as unknown as Beat[];
    // One that is told from now on: what is under way is not what is waited for.
    await this.#program.event("beat", beats().length + 1);
    const from = beats().at(-1)?.rounds ?? [];
    for (;;) {
      this.#mustNotFail();
      // Two: the first may have been on its way.
      if (
        beats()
          .at(-1)
          ?.rounds.every((rounds, stream) => rounds >= (from[stream] ?? 0) + 2)
      )
        return;
      await this.#program.event("beat", beats().length + 1);
    }
  }

  /** Ends it. Returns how many came and went. */
  async finish(): Promise<number> {
    this.#program.kill("SIGTERM");
    const { opened, answered } = await this.#program.event("done");
    this.#mustNotFail();
    if (opened !== answered) throw new ProgramError(`${opened as number} were opened, ${answered as number} answered`);
    return opened as number;
  }

  #mustNotFail(): void {
    const failures = this.#program.events.filter(({ event }) => event === "failed");
    if (failures.length === 0) return;
    throw new ProgramError(
      `${failures.length} failed:\n${failures
        .map(({ why }) => why as string)
        .slice(0, 10)
        .join("\n")}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }
}

interface Beat {
  readonly rounds: readonly number[];
}
