import type { HostOptions } from "@dp/host";
import { Option } from "clipanion";
import { DpCommand } from "./dp-command.ts";
import { parseNumber } from "./option-value.ts";

/** A command that changes something. One runs at a time, the others wait. */
export abstract class ChangeCommand extends DpCommand {
  wait = Option.String("--wait", {
    description: "how long to wait for another change to finish, in seconds (default 30)",
  });

  protected override hostOptions(): HostOptions {
    const seconds = this.wait === undefined ? undefined : parseNumber(this.wait, "--wait");
    return { ...super.hostOptions(), ...(seconds === undefined ? {} : { lockTimeoutMs: seconds * 1000 }) };
  }
}
