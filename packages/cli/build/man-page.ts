/**
 * dp(1), made from the commands' own definitions, in mdoc: what groff and mandoc both read.
 */
import { type CommandHelp, oneLine, type OptionHelp, optionsOf } from "../src/command-help.ts";

export interface Edition {
  version: string;
  date: Date;
}

const EXIT_STATUS = [
  [0, "Done, also when there was nothing to do."],
  [1, "Failed."],
  [2, "Bad usage, or a value out of range."],
  [3, "Nothing is loaded."],
  [4, "There is no such server."],
  [5, "Conflict: the port, name, address or namespace is taken."],
  [6, "The kernel, the machine or the privileges lack something; the message names it."],
  [7, "Busy: another process is changing the same pin root. Try again."],
] as const;

export function manPage(commands: readonly CommandHelp[], { version, date }: Edition): string {
  const [any] = commands;
  const everywhere = any === undefined ? [] : optionsOf(any).filter(({ global }) => global);
  const groups = [...new Set(commands.map(({ definition }) => oneLine(definition.category)))];
  return `.\\" Generated from the commands of dp.
.Dd ${date.toLocaleDateString("en-US", { dateStyle: "long", timeZone: "UTC" })}
.Dt DP 1
.Os datapath ${version}
.Sh NAME
.Nm dp
.Nd game-server containers behind ports of this host
.Sh SYNOPSIS
.Nm
.Ar COMMAND
.Op Ar OPTIONS
.Nm
.Ar COMMAND
.Fl -help
.Nm
.Fl -version
.Sh DESCRIPTION
.Nm
gives each of many game-server containers a TCP port of the host's public address.
The connections that containers open pass through a transparent proxy.
eBPF programs that are pinned in the kernel carry the packets: nothing runs between players and servers.
Commands may run in parallel and be killed at any time: changes are made one at a time, as a whole or not at all.
.Pp
All commands take these options, before their name or after it:
${optionList(everywhere)}
.Sh COMMANDS
${groups.map((group) => groupSection(group, commands)).join("\n")}
.Sh ENVIRONMENT
.Bl -tag -width Ds
.It Ev DP_PIN_ROOT
The bpffs folder everything is pinned under, unless
.Fl -pin-root
is given.
.It Ev NO_COLOR
When set and not empty, nothing is coloured.
Nothing is where it does not go to a terminal, either.
.It Ev TMPDIR
Where the executable keeps its native module, a file of 1 MB, instead of
.Pa /tmp .
.El
.Sh FILES
.Bl -tag -width Ds
.It Pa /sys/fs/bpf
Where everything is pinned: programs and links in
.Pa progs ,
maps in
.Pa maps .
There is no other database.
.It Pa /etc/default/datapath
Options for the systemd units.
.El
.Sh EXIT STATUS
.Bl -tag -width Ds
${EXIT_STATUS.map(([code, meaning]) => `.It ${code}\n${prose(meaning)}`).join("\n")}
.El
.Sh SEE ALSO
.Xr bpf 2 ,
.Xr ip-netns 8 ,
.Xr tc 8
`;
}

function groupSection(group: string, commands: readonly CommandHelp[]): string {
  const members = commands.filter(({ definition }) => oneLine(definition.category) === group);
  return [`.Ss ${group}`, ".Bl -tag -width Ds", ...members.map(commandItem), ".El"].join("\n");
}

function commandItem(command: CommandHelp): string {
  const { name, definition, operand } = command;
  const own = optionsOf(command).filter(({ global }) => !global);
  const usage = [
    `Ic ${code(name)}`,
    ...(operand === undefined ? [] : [`Ar ${operand.name}`]),
    ...(own.length > 0 ? ["Op Ar OPTIONS"] : []),
  ];
  const description = oneLine(definition.description);
  const lines = [`.It ${usage.join(" ")}`, prose(`${description.charAt(0).toUpperCase()}${description.slice(1)}.`)];
  if (definition.details !== undefined) lines.push(".Pp", prose(oneLine(definition.details)));
  if (own.length > 0) lines.push(optionList(own));
  for (const [what, line] of definition.examples ?? []) {
    lines.push(".Pp", prose(`${oneLine(what)}:`), `.Dl ${code(line)}`);
  }
  return lines.join("\n");
}

function optionList(options: readonly OptionHelp[]): string {
  const items = options.map(({ names, metavar, description }) => {
    const flags = names.map((name) => `Fl ${code(name.slice(1))}`).join(" , ");
    return `.It ${flags}${metavar === undefined ? "" : ` Ar ${code(metavar)}`}\n${prose(description)}`;
  });
  return [".Bl -tag -width Ds", ...items, ".El"].join("\n");
}

/** Text to be filled, each sentence on a line of its own, as mdoc has it. */
function prose(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("--", "\\-\\-")
    .replace(/([.!?]) (?=[A-Z"])/g, "$1\n")
    .replace(/^(?=[.'])/gm, "\\&");
}

/** Text to be typed or copied: no hyphen or quote of it may become a typographic one. */
function code(text: string): string {
  const escapes: Record<string, string> = {
    "\\": "\\e",
    "-": "\\-",
    "'": "\\(aq",
    "`": "\\(ga",
    "^": "\\(ha",
    "~": "\\(ti",
    '"': "\\(dq",
  };
  return text.replace(/[\\\-'`^~"]/g, (char) => escapes[char] ?? char);
}
