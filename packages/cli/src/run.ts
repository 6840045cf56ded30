import { Cli, type Command, type CommandClass } from "clipanion";
import type { CommandHelp } from "./command-help.ts";
import { splitCommandLine, takesValue } from "./command-line.ts";
import { AddServerCommand } from "./commands/add-server.ts";
import { AgentCommand } from "./commands/agent.ts";
import { CompletionCommand } from "./commands/completion.ts";
import { DelServerCommand } from "./commands/del-server.ts";
import { DoctorCommand } from "./commands/doctor.ts";
import { FreezeCommand } from "./commands/freeze.ts";
import { ListCommand } from "./commands/list.ts";
import { LoadCommand } from "./commands/load.ts";
import { ProxyCommand } from "./commands/proxy.ts";
import { RepairCommand } from "./commands/repair.ts";
import { ShowCommand } from "./commands/show.ts";
import { StatusCommand } from "./commands/status.ts";
import { ThawCommand } from "./commands/thaw.ts";
import { UnloadCommand } from "./commands/unload.ts";
import type { DpContext } from "./context.ts";
import { type DpCommand, GLOBAL_OPTIONS } from "./dp-command.ts";
import { EXIT_DONE, exitCodeOf } from "./exit-code.ts";
import { renderCommand, renderOverview } from "./help.ts";
import { describeError } from "./report.ts";
import { style } from "./style.ts";
import { suggestCommand, suggestOption } from "./suggestion.ts";
import { UsageError } from "./usage-error.ts";
import { version } from "./version.ts";

type DpCommandClass = CommandClass<DpContext> &
  Pick<typeof DpCommand, "metavars" | "completions" | "operand" | "paths">;

/** In the order of the help. */
const COMMANDS: readonly DpCommandClass[] = [
  LoadCommand,
  UnloadCommand,
  StatusCommand,
  RepairCommand,
  AgentCommand,
  DoctorCommand,
  AddServerCommand,
  DelServerCommand,
  ListCommand,
  ShowCommand,
  ProxyCommand,
  FreezeCommand,
  ThawCommand,
  class extends CompletionCommand {
    protected override commands = commands;
  },
];

/** All commands, in the order of the help. */
export function commands(): CommandHelp[] {
  return COMMANDS.map(helpOfCommand);
}

/**
 * Runs `dp` with these arguments. It reads and writes through the context, and does not exit the process. It throws
 * nothing: errors are written to standard error.
 *
 * @param argv without the name of the program
 * @returns the exit code
 */
export async function run(argv: readonly string[], context: DpContext): Promise<number> {
  const paint = style(context.color.stdout);
  try {
    const { options, command: first, rest } = splitCommandLine(argv);
    if (first === "--version") {
      context.stdout.write(`${version()}\n`);
      return EXIT_DONE;
    }
    if (first === undefined && options.length > 0) {
      const last = options.at(-1);
      const reason = takesValue(last) ? `${last} lacks its value` : "which command?";
      throw new UsageError(reason, { hint: "dp --help shows all commands" });
    }
    if (first === undefined || first === "help" || first === "-h" || first === "--help") {
      const [topic] = rest;
      const help = topic === undefined ? undefined : helpOf(topic);
      context.stdout.write(
        help === undefined ? renderOverview(commands(), version(), paint) : renderCommand(help, paint),
      );
      return EXIT_DONE;
    }
    const command = commandOf(first);
    if (rest.includes("-h") || rest.includes("--help")) {
      context.stdout.write(renderCommand(helpOfCommand(command), paint));
      return EXIT_DONE;
    }
    const parsed = parse(command, [first, ...options, ...rest], context);
    parsed.context = context;
    return (await parsed.execute()) ?? EXIT_DONE;
  } catch (error) {
    const verbose = argv.includes("--verbose") || argv.includes("-v");
    context.stderr.write(describeError(error, { color: context.color.stderr, verbose }));
    return exitCodeOf(error);
  }
}

/** A parser of this command alone: building one of all commands takes longer than most commands run. */
function cliOf(command: DpCommandClass): Cli<DpContext> {
  return Cli.from<DpContext>(command, { binaryName: "dp", enableColors: false });
}

/** Parses as clipanion does, but reports errors in one line. */
function parse(command: DpCommandClass, argv: readonly string[], context: DpContext): Command<DpContext> {
  try {
    return cliOf(command).process([...argv], context);
  } catch (error) {
    throw explain(command, argv, error);
  }
}

function explain(command: DpCommandClass, [name = "", ...rest]: readonly string[], error: unknown): UsageError {
  const hint = `dp ${name} --help`;
  const { metavars, definition, operand } = helpOfCommand(command);
  const known = definition.options.flatMap(({ definition: text }) => (text.split(" ")[0] ?? "").split(","));
  const unknown = rest.find((word) => /^-./.test(word) && !known.includes(word.split("=")[0] ?? ""));
  if (unknown !== undefined) {
    const guess = suggestOption(unknown, known);
    return new UsageError(`unknown option ${unknown}`, {
      op: name,
      hint: guess === undefined ? hint : `did you mean ${guess}? (${hint})`,
    });
  }
  const last = rest.at(-1);
  if (last !== undefined && known.includes(last) && takesValue(last, metavars)) {
    return new UsageError(`${last} lacks its value`, { op: name, hint });
  }
  const words = rest.filter((word, at) => !word.startsWith("-") && !takesValue(rest[at - 1], metavars));
  const stray = words[operand === undefined ? 0 : 1];
  if (stray !== undefined) return new UsageError(`unexpected ${JSON.stringify(stray)}`, { op: name, hint });
  const message = error instanceof Error ? error.message : String(error);
  const [line = ""] = message.replace(/^Unknown Syntax Error:\s*/, "").split("\n");
  return new UsageError(line.replace(/\.$/, ""), { op: name, hint });
}

function nameOf({ paths }: DpCommandClass): string {
  return paths?.[0]?.join(" ") ?? "";
}

function helpOfCommand(command: DpCommandClass): CommandHelp {
  const [definition] = cliOf(command).definitions();
  if (definition === undefined) throw new Error(`${nameOf(command)} has no description`);
  const { metavars, completions, operand } = command;
  return { name: nameOf(command), definition, metavars, completions, operand };
}

function helpOf(name: string): CommandHelp {
  return helpOfCommand(commandOf(name));
}

/** Throws `UsageError` for an unknown command. */
function commandOf(name: string): DpCommandClass {
  const found = COMMANDS.find((command) => nameOf(command) === name);
  if (found !== undefined) return found;
  const guess = suggestCommand(name, [...COMMANDS.map(nameOf), ...GLOBAL_OPTIONS, "--help", "--version"]);
  const hint = guess === undefined ? "dp --help shows all commands" : `did you mean dp ${guess}? (dp --help shows all)`;
  const what = name.startsWith("-") ? `unknown option ${name}` : `there is no command ${JSON.stringify(name)}`;
  throw new UsageError(what, { hint });
}
