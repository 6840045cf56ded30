import { Cli } from "clipanion";
import type { CommandHelp } from "./command-help.ts";
import { AddServerCommand } from "./commands/add-server.ts";
import { CompletionCommand } from "./commands/completion.ts";
import { DelServerCommand } from "./commands/del-server.ts";
import { DoctorCommand } from "./commands/doctor.ts";
import { FreezeCommand } from "./commands/freeze.ts";
import { GcCommand } from "./commands/gc.ts";
import { ListCommand } from "./commands/list.ts";
import { LoadCommand } from "./commands/load.ts";
import { ProxyCommand } from "./commands/proxy.ts";
import { ShowCommand } from "./commands/show.ts";
import { StatusCommand } from "./commands/status.ts";
import { ThawCommand } from "./commands/thaw.ts";
import { UnloadCommand } from "./commands/unload.ts";
import { WatchCommand } from "./commands/watch.ts";
import type { DpContext } from "./context.ts";
import { COMMON_METAVARS } from "./dp-command.ts";
import { EXIT_DONE, exitCodeOf } from "./exit-code.ts";
import { renderCommand, renderOverview } from "./help.ts";
import { nearest } from "./nearest.ts";
import { describeError } from "./report.ts";
import { style } from "./style.ts";
import { UsageError } from "./usage-error.ts";
import { version } from "./version.ts";

/** In the order of the help. */
const COMMANDS = [
  LoadCommand,
  UnloadCommand,
  StatusCommand,
  GcCommand,
  WatchCommand,
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

function commandLine(): Cli<DpContext> {
  return Cli.from<DpContext>(COMMANDS, { binaryName: "dp", enableColors: false });
}

/** All commands, in the order of the help. */
export function commands(): CommandHelp[] {
  return allHelp(commandLine());
}

/**
 * Runs `dp` with these arguments. Everything it reads and writes is in the context; it never ends the process.
 *
 * @param argv without the program's own name
 * @returns the exit code
 */
export async function run(argv: readonly string[], context: DpContext): Promise<number> {
  const cli = commandLine();
  const paint = style(context.color.stdout);
  try {
    const [first] = argv;
    if (first === "--version") {
      context.stdout.write(`${version()}\n`);
      return EXIT_DONE;
    }
    if (first === undefined || first === "help" || first === "-h" || first === "--help") {
      const [, topic] = argv;
      const help = topic === undefined ? undefined : helpOf(cli, topic);
      context.stdout.write(
        help === undefined ? renderOverview(allHelp(cli), version(), paint) : renderCommand(help, paint),
      );
      return EXIT_DONE;
    }
    const help = helpOf(cli, first);
    if (argv.includes("-h") || argv.includes("--help")) {
      context.stdout.write(renderCommand(help, paint));
      return EXIT_DONE;
    }
    return await cli.run(parse(cli, argv, context), context);
  } catch (error) {
    const verbose = argv.includes("--verbose") || argv.includes("-v");
    context.stderr.write(describeError(error, { color: context.color.stderr, verbose }));
    return exitCodeOf(error);
  }
}

/** As clipanion does, but its complaints in one line. */
function parse(cli: Cli<DpContext>, argv: readonly string[], context: DpContext) {
  try {
    return cli.process([...argv], context);
  } catch (error) {
    throw explain(cli, argv, error);
  }
}

function explain(cli: Cli<DpContext>, [name = "", ...rest]: readonly string[], error: unknown): UsageError {
  const hint = `dp ${name} --help`;
  const { metavars, definition, operand } = helpOf(cli, name);
  const known = definition.options.flatMap(({ definition: text }) => (text.split(" ")[0] ?? "").split(","));
  const unknown = rest.find((word) => /^-./.test(word) && !known.includes(word.split("=")[0] ?? ""));
  if (unknown !== undefined) {
    const guess = nearest(unknown, known);
    return new UsageError(`unknown option ${unknown}`, {
      op: name,
      hint: guess === undefined ? hint : `did you mean ${guess}? (${hint})`,
    });
  }
  const last = rest.at(-1);
  if (last !== undefined && known.includes(last) && (last in metavars || last in COMMON_METAVARS)) {
    return new UsageError(`${last} lacks its value`, { op: name, hint });
  }
  const words = rest.filter((word, at) => !word.startsWith("-") && !takesValue(rest[at - 1], metavars));
  const stray = words[operand === undefined ? 0 : 1];
  if (stray !== undefined) return new UsageError(`unexpected ${JSON.stringify(stray)}`, { op: name, hint });
  const message = error instanceof Error ? error.message : String(error);
  const [line = ""] = message.replace(/^Unknown Syntax Error:\s*/, "").split("\n");
  return new UsageError(line.replace(/\.$/, ""), { op: name, hint });
}

function takesValue(word: string | undefined, metavars: Readonly<Record<string, string>>): boolean {
  return word !== undefined && (word in metavars || word in COMMON_METAVARS);
}

function allHelp(cli: Cli<DpContext>): CommandHelp[] {
  const definitions = cli.definitions();
  return COMMANDS.flatMap(({ paths, metavars, operand }) => {
    const name = paths[0]?.join(" ") ?? "";
    const definition = definitions.find(({ path }) => path === `dp ${name}`);
    return definition === undefined ? [] : [{ name, definition, metavars, operand }];
  });
}

/** Throws `UsageError` for a command there is not. */
function helpOf(cli: Cli<DpContext>, name: string): CommandHelp {
  const all = allHelp(cli);
  const found = all.find((command) => command.name === name);
  if (found !== undefined) return found;
  const guess = nearest(
    name,
    all.map((command) => command.name),
  );
  const hint = guess === undefined ? "dp --help shows all commands" : `did you mean dp ${guess}? (dp --help shows all)`;
  const what = name.startsWith("-") ? `unknown option ${name}` : `there is no command ${JSON.stringify(name)}`;
  throw new UsageError(what, { hint });
}
