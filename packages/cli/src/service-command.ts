import { Option } from "clipanion";
import { DpCommand } from "./dp-command.ts";
import { EXIT_DONE, EXIT_FAILED } from "./exit-code.ts";
import { LineWriter } from "./line-writer.ts";

/** How long, at the end, the readers of the log and of the warnings may take to read the last lines. */
const PATIENCE_MS = 1000;

/**
 * A command that runs until it is stopped and writes a log to standard output. It never waits for the reader of its
 * log or of its warnings, and goes on when they cannot be written.
 */
export abstract class ServiceCommand extends DpCommand {
  override json = Option.Boolean("--json", false, {
    description: "one JSON document on each line of standard output, nothing else",
  });

  #warnings: LineWriter | undefined;

  /** Runs until the interruption. */
  protected abstract serve(log: LineWriter): Promise<void>;

  override async perform(): Promise<number> {
    const { stdout, stderr } = this.context.serviceOutput();
    // A failure to write warnings cannot be reported.
    const warnings = (this.#warnings = new LineWriter(stderr, () => undefined));
    const log = new LineWriter(stdout, (message) => this.warn(message));
    let error: string | undefined;
    try {
      await this.serve(log);
    } finally {
      error = await log.end(PATIENCE_MS);
      await warnings.end(PATIENCE_MS);
    }
    return error === undefined || error === "EPIPE" ? EXIT_DONE : EXIT_FAILED;
  }

  protected override tell(line: string): void {
    if (this.#warnings === undefined) super.tell(line);
    else this.#warnings.write(line);
  }

  protected override exitCode(code: number): number {
    return code;
  }

  protected time(): string {
    return this.context.now().toISOString();
  }

  /** Everything is in the log. */
  override present(): string {
    return "";
  }

  protected override document(): string {
    return "";
  }
}
