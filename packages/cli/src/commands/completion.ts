import { Option } from "clipanion";
import type { CommandHelp } from "../command-help.ts";
import { DpCommand } from "../dp-command.ts";
import { UsageError } from "../usage-error.ts";

/** No other command loads them. */
const SCRIPTS = {
  bash: async () => (await import("../completion/bash.ts")).bashCompletion,
  zsh: async () => (await import("../completion/zsh.ts")).zshCompletion,
  fish: async () => (await import("../completion/fish.ts")).fishCompletion,
};
const SHELLS = Object.keys(SCRIPTS);

interface Completion {
  shell: string;
  script: string;
}

/** Abstract because the list of the commands contains this one: run.ts provides it. */
export abstract class CompletionCommand extends DpCommand {
  static override paths = [["completion"]];
  static override usage = DpCommand.Usage({
    category: "Shell",
    description: "print a script that has a shell complete commands, options and values",
    details:
      "SHELL is bash, zsh or fish. Ports and names of servers are completed for who may list them: root. The Debian " +
      "package and the tarball have the scripts as files, where shells look for them.",
    examples: [
      ["In ~/.bashrc, or for zsh in ~/.zshrc", "source <(dp completion bash)"],
      ["For fish", "dp completion fish > ~/.config/fish/completions/dp.fish"],
    ],
  });
  static override operand = { name: "SHELL", values: SHELLS };

  shell = Option.String({ name: "SHELL", required: false });

  protected abstract commands(): readonly CommandHelp[];

  override async perform(): Promise<Completion> {
    const { shell = "" } = this;
    if (!isShell(shell)) {
      const reason = shell === "" ? "SHELL is missing" : `${JSON.stringify(shell)} is not a shell with completions`;
      throw new UsageError(reason, { hint: "bash, zsh or fish" });
    }
    const scriptOf = await SCRIPTS[shell]();
    return { shell, script: scriptOf(this.commands()) };
  }

  override present({ script }: Completion): string {
    return script;
  }
}

function isShell(name: string): name is keyof typeof SCRIPTS {
  return SHELLS.includes(name);
}
