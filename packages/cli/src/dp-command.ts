import type { HostOptions } from "@dp/host";
import { printable } from "@dp/sys/printable";
import { Command, Option } from "clipanion";
import type { Source } from "./completion/offer.ts";
import type { DpContext } from "./context.ts";
import { EXIT_DONE, exitCodeOf } from "./exit-code.ts";
import { describeError } from "./report.ts";
import { style, type Style } from "./style.ts";
import { UsageError } from "./usage-error.ts";

/** The options that every command takes, before its name and after it. */
export const GLOBAL_OPTIONS = ["--json", "-v", "--verbose", "--pin-root"];

/** What stands for the values of options that more than one command has, in the help. */
export const COMMON_METAVARS: Readonly<Record<string, string>> = { "--pin-root": "PATH", "--wait": "SECONDS" };

/** What a shell offers for the values of options that more than one command has. */
export const COMMON_COMPLETIONS: Readonly<Record<string, Source>> = { "--pin-root": "directories" };

/** The one word that a command takes besides options. */
export interface Operand {
  name: string;
  /** Its possible values, where they are fixed. */
  values: readonly string[];
  /** Where a shell finds other values. */
  source?: Source;
}

/** A command of `dp`: calls @dp/host and prints the result. */
export abstract class DpCommand extends Command<DpContext> {
  /** What stands for an option's value in the help: {"--port": "N|auto"}. */
  static metavars: Readonly<Record<string, string>> = {};

  /** What a shell offers for an option's value: {"--iface": "interfaces"}. */
  static completions: Readonly<Record<string, Source>> = {};

  static operand: Operand | undefined;

  json = Option.Boolean("--json", false, { description: "print one JSON document on standard output, nothing else" });
  verbose = Option.Boolean("-v,--verbose", false, {
    description: "on standard error: every step, and all about an error",
  });
  pinRoot = Option.String("--pin-root", {
    env: "DP_PIN_ROOT",
    description: "the bpffs folder everything is pinned under (default /sys/fs/bpf, or $DP_PIN_ROOT)",
  });

  /** Does the work. What it returns is the JSON document. */
  abstract perform(): Promise<unknown>;

  /** The result as text for people. */
  abstract present(result: unknown): string;

  override async execute(): Promise<number> {
    try {
      const result = await this.perform();
      this.context.stdout.write(this.json ? this.document(result) : this.present(result));
      return this.exitCode(result);
    } catch (error) {
      // "dp: add-server: ..." rather than "dp: usage: ..."
      if (error instanceof UsageError) error.op = this.path.join(" ");
      this.context.stderr.write(describeError(error, { color: this.context.color.stderr, verbose: this.verbose }));
      return exitCodeOf(error);
    }
  }

  /** The exit code of a command that did its work, but found something. */
  protected exitCode(_result: unknown): number {
    return EXIT_DONE;
  }

  protected document(result: unknown): string {
    return `${JSON.stringify(result, null, 2)}\n`;
  }

  protected get style(): Style {
    return style(this.context.color.stdout);
  }

  /** Writes a line to standard error. */
  protected tell(line: string): void {
    this.context.stderr.write(`${line}\n`);
  }

  protected warn(message: string): void {
    this.tell(`${style(this.context.color.stderr).yellow("dp:")} warning: ${printable(message)}`);
  }

  /** The options that every function of @dp/host takes. */
  protected hostOptions(): HostOptions {
    const { dim } = style(this.context.color.stderr);
    return {
      pinRoot: this.pinRoot === "" ? undefined : this.pinRoot,
      mechanism: mechanismOf(this.context.env["DP_ATTACH"]),
      expedite: this.context.env["DP_EXPEDITE"] !== "off",
      warn: (message) => this.warn(message),
      onStep: this.verbose ? (step) => this.tell(dim(`dp: step: ${printable(step)}`)) : undefined,
    };
  }
}

/** DP_ATTACH chooses the mechanism: for tests, which run both on one machine. */
function mechanismOf(text: string | undefined): HostOptions["mechanism"] {
  if (text === undefined || text === "") return undefined;
  if (text === "tcx" || text === "clsact") return text;
  throw new UsageError(`DP_ATTACH is ${JSON.stringify(text)}`, { hint: "it can be tcx, clsact or empty" });
}
