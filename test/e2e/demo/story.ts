import { Program } from "@dp/test-kit/program.ts";
import type { NetworkNamespace } from "../topology/namespace.ts";

/** A step of the demo that was not what it should be. */
export class UnexpectedResult extends Error {
  override readonly name = "UnexpectedResult";
}

const colored = process.stdout.isTTY && !process.env["NO_COLOR"];
const paint = (code: number, text: string) => (colored ? `\x1b[${code}m${text}\x1b[0m` : text);

/** Tells what is going on, runs commands visibly, and checks the results. */
export class Story {
  #chapter = 0;

  chapter(title: string): void {
    this.#chapter += 1;
    this.#print(`\n${paint(1, `${this.#chapter}. ${title}`)}`);
  }

  say(...lines: string[]): void {
    for (const line of lines) this.#print(line === "" ? "" : `   ${line}`);
  }

  /**
   * Runs a command in a namespace, shows it and all it wrote, and expects an exit status. Returns it, finished.
   *
   * @param actual what is run in its place, where it needs more around it than there is to see
   */
  async command(
    where: NetworkNamespace,
    command: readonly string[],
    { expected = "success", actual = command }: { expected?: "success" | "failure"; actual?: readonly string[] } = {},
  ) {
    this.#show(where, command);
    await using program = new Program(where.inside(actual));
    const output = await program.finished();
    this.output(output.stdout + output.stderr);
    const done = output.code === 0;
    if (done !== (expected === "success")) {
      throw new UnexpectedResult(`the command ended with exit status ${output.code}; expected was ${expected}`);
    }
    return { ...output, events: program.events };
  }

  /** Starts a command that goes on until the end, and shows it. */
  start(where: NetworkNamespace, command: readonly string[]): Program {
    this.#show(where, command);
    return where.spawn(command);
  }

  output(text: string): void {
    for (const line of text.trimEnd().split("\n")) if (line !== "") this.#print(`     ${line}`);
  }

  check(what: string, actual: unknown, expected: unknown): void {
    if (Bun.deepEquals(actual, expected)) {
      this.#print(`   ${paint(32, "✓")} ${what}`);
      return;
    }
    this.#print(`   ${paint(31, "✗")} ${what}`);
    throw new UnexpectedResult(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
  }

  #show(where: NetworkNamespace, command: readonly string[]): void {
    const words = command.map((word) => (/[^\w./:=-]/.test(word) ? `'${word}'` : word));
    this.#print(`   ${paint(36, `${where.name}#`)} ${paint(1, words.join(" "))}`);
  }

  #print(line: string): void {
    process.stdout.write(`${line}\n`);
  }
}
