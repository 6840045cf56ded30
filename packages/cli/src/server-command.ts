import type { ServerSelector } from "@dp/host";
import { Option } from "clipanion";
import type { Source } from "./completion/offer.ts";
import type { DpCommand, Operand } from "./dp-command.ts";
import { selectorOf } from "./server-selector.ts";

/** What {@link selectingServer} adds to a command. */
export interface SelectsServer {
  server: string | undefined;
  port: string | undefined;
  address: string | undefined;
  name: string | undefined;
  /** The server that the command line means. Throws `UsageError` when it names none, or names it twice. */
  selector(hint?: string): ServerSelector;
}

// oxlint-disable-next-line no-explicit-any -- TypeScript wants a mixin's constructor to have these parameters
type Constructor<T> = abstract new (...args: any[]) => T;
type CommandClass = Constructor<DpCommand> & Pick<typeof DpCommand, "metavars" | "completions" | "operand">;

/**
 * A base class for commands about one server, which the word SERVER or options name. Commands that change something
 * and commands that only read have different base classes, so it is made from one of them:
 * `class ShowCommand extends selectingServer(DpCommand)`.
 */
export function selectingServer<Base extends CommandClass>(base: Base): Base & Constructor<SelectsServer> {
  abstract class Selecting extends base {
    static override metavars: Readonly<Record<string, string>> = {
      ...base.metavars,
      "--port": "N",
      "--address": "IP",
      "--name": "S",
    };
    static override completions: Readonly<Record<string, Source>> = {
      ...base.completions,
      "--port": "ports",
      "--name": "names",
    };
    static override operand: Operand = { name: "SERVER", values: [], source: "servers" };

    server = Option.String({ name: "SERVER", required: false });
    port = Option.String("--port", { description: "the server with this public port" });
    address = Option.String("--address", {
      description: "with --port: its public address, when several have the port",
    });
    name = Option.String("--name", { description: "the server with this name" });

    selector(hint?: string): ServerSelector {
      return selectorOf(this, hint);
    }
  }
  return Selecting;
}
