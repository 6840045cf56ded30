import type { AgentEvent } from "@dp/host";
import { printable } from "@dp/sys/printable";
import { describeFinding } from "../findings.ts";
import { hostLibrary } from "../host-library.ts";
import type { LineWriter } from "../line-writer.ts";
import { serverLabel } from "../server-label.ts";
import { ServiceCommand } from "../service-command.ts";

export class AgentCommand extends ServiceCommand {
  static override paths = [["agent"]];
  static override usage = ServiceCommand.Usage({
    category: "Host",
    description: "repair whenever the host changes, until stopped",
    details:
      "Runs until SIGINT or SIGTERM. It does what dp repair does when the kernel reports a change of the host's " +
      "interfaces, addresses or routes, and once a minute, and prints a line for each thing that it finds or does. " +
      "It is optional: without it, dp repair and dp load do the same work once.",
    examples: [
      ["In the foreground, as datapath-agent.service does", "dp agent"],
      ["For a program: one JSON document on each line", "dp agent --json"],
    ],
  });

  protected override async serve(log: LineWriter): Promise<void> {
    const { runAgent } = await hostLibrary();
    using interruption = this.context.interruption();
    await runAgent({
      ...this.hostOptions(),
      signal: interruption.signal,
      onEvent: (event) => log.write(this.json ? this.#document(event) : `${this.time()} ${this.#describe(event)}`),
    });
    const time = this.time();
    log.write(this.json ? JSON.stringify({ event: "stopped", time }) : `${time} stopped`);
  }

  #document({ event, ...rest }: AgentEvent): string {
    return JSON.stringify({ event, time: this.time(), ...rest });
  }

  #describe(event: AgentEvent): string {
    const { green, red, yellow } = this.style;
    switch (event.event) {
      case "started":
        return `started for ${event.pinRoot}`;
      case "server-removed":
        return `${green("removed")} ${serverLabel(event.server)}`;
      case "removed":
        return `${green("removed")} ${describeFinding(event.finding)}`;
      case "repaired":
        return `${green("repaired")} ${describeFinding(event.finding)}`;
      case "found":
        return `${red(event.finding.severity)} ${describeFinding(event.finding)} (fix: ${printable(event.finding.fix)})`;
      case "resolved":
        return `${green("resolved")} ${describeFinding(event.finding)}`;
      case "overrun":
        return `${yellow("overrun")}: the kernel dropped notifications; everything is checked`;
      case "failed":
        return `${red("failed")}: ${printable(event.reason)}`;
      case "warning":
        return `${yellow("warning")}: ${printable(event.message)}`;
    }
  }
}
