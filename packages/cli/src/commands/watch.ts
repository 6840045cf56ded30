import type { WatchEvent } from "@dp/host";
import { describeFinding } from "../findings.ts";
import { hostLibrary } from "../host-library.ts";
import type { LineWriter } from "../line-writer.ts";
import { ServiceCommand } from "../service-command.ts";

export class WatchCommand extends ServiceCommand {
  static override paths = [["watch"]];
  static override usage = ServiceCommand.Usage({
    category: "Host",
    description: "do what gc does whenever something dies or changes, until stopped",
    details:
      "Runs until SIGINT or SIGTERM, and prints a line for everything it does. It listens for what the kernel announces " +
      "(interfaces, addresses and routes of the host), and looks at everything once a minute. Nothing depends on it: a " +
      "host without it is collected and mended by dp gc and dp load.",
    examples: [
      ["In the foreground, as datapath-watch.service does", "dp watch"],
      ["For machines: one JSON document on each line", "dp watch --json"],
    ],
  });

  protected override async serve(log: LineWriter): Promise<void> {
    const { watch } = await hostLibrary();
    using interruption = this.context.interruption();
    await watch({
      ...this.hostOptions(),
      signal: interruption.signal,
      onEvent: (event) => log.write(this.json ? this.#document(event) : `${this.time()} ${this.#describe(event)}`),
    });
    const time = this.time();
    log.write(this.json ? JSON.stringify({ event: "stopped", time }) : `${time} stopped`);
  }

  #document({ event, ...rest }: WatchEvent): string {
    return JSON.stringify({ event, time: this.time(), ...rest });
  }

  #describe(event: WatchEvent): string {
    const { green, red, yellow } = this.style;
    switch (event.event) {
      case "watching":
        return `watching ${event.pinRoot}`;
      case "collected":
        return `${green("collected")} server ${event.server.port} (${event.server.name})`;
      case "removed":
        return `${green("cleared")} ${event.finding.what}`;
      case "mended":
        return `${green("mended")} ${describeFinding(event.finding)}`;
      case "found":
        return `${red(event.finding.severity)} ${describeFinding(event.finding)} (fix: ${event.finding.fix})`;
      case "resolved":
        return `${green("resolved")} ${describeFinding(event.finding)}`;
      case "overrun":
        return `${yellow("overrun")}: more happened than there was room for; everything is looked at anew`;
      case "failed":
        return `${red("failed")}: ${event.reason}`;
      case "warning":
        return `${yellow("warning")}: ${event.message}`;
    }
  }
}
