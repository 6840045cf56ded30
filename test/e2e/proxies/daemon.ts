import { join } from "node:path";
import { type Program, ProgramError } from "@dp/test-kit/program.ts";
import type { NetworkNamespace } from "../topology/namespace.ts";

/** The file of examples/ with this name, as it is. */
export const example = (file: string) => join(import.meta.dirname, "../../../examples", file);

/** Starts a program that does not tell when it listens, and waits until it does. Its log is its standard output. */
export async function daemon(host: NetworkNamespace, port: number, ...command: string[]): Promise<Program> {
  const program = host.spawn(["sh", "-c", 'exec "$@" 2>&1', "sh", ...command]);
  const deadline = performance.now() + 30_000;
  while ((await host.run(["ss", "-Hlnt", "sport", "=", `:${port}`])).stdout === "") {
    if (program.ended || performance.now() > deadline) {
      await using gone = program;
      gone.kill("SIGKILL");
      const { stdout } = await program.finished();
      throw new ProgramError(`${command.join(" ")}: does not listen on port ${port}\n${stdout}`);
    }
    await Bun.sleep(50);
  }
  return program;
}
