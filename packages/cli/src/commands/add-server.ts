import type { Server, ServerOptions } from "@dp/host";
import { Option } from "clipanion";
import { readBatch } from "../batch-file.ts";
import { ChangeCommand } from "../change-command.ts";
import type { Source } from "../completion/offer.ts";
import { EXIT_DONE, exitCodeOf, isDatapathError } from "../exit-code.ts";
import { containerEndpoint, publicEndpoint, publicEndpoints } from "../forward.ts";
import { hostLibrary } from "../host-library.ts";
import { describeError } from "../report.ts";
import { serverLabel } from "../server-label.ts";
import {
  batchKeys,
  parseServerOptions,
  SERVER_OPTION_LIST,
  SERVER_OPTIONS,
  type ServerOptionKey,
} from "../server-options.ts";
import { renderFields } from "../table.ts";
import { UsageError } from "../usage-error.ts";

/** The result of a batch. */
interface Batch {
  added: Server[];
  failed: { entry: number; error: { code: string; op: string; reason: string; hint?: string } }[];
}

/** The options that were given, by key, as clipanion has them. */
type Given = Partial<Record<ServerOptionKey, string | boolean>>;

export class AddServerCommand extends ChangeCommand {
  static override paths = [["add-server"]];
  static override usage = ChangeCommand.Usage({
    category: "Servers",
    description: "put a container behind a port of the host",
    details:
      "Connects the container's network namespace to the host and forwards the public port to the container. " +
      "It happens whole or not at all. The container must have no network of its own (--network none). " +
      `A batch has a JSON object for each server, with the keys ${batchKeys()}.`,
    examples: [
      [
        "A container of docker, podman or containerd, on the lowest free port",
        "dp add-server --port auto --container lobby",
      ],
      ["A network namespace made with ip netns", "dp add-server --port 25570 --netns lobby --name lobby"],
      ["By a process in the container, for a script", "dp add-server --port auto --netns pid:4711 --json"],
      ["Many servers: a JSON object on each line", "dp add-server --batch servers.jsonl"],
    ],
  });
  static override metavars: Readonly<Record<string, string>> = {
    ...Object.fromEntries(
      SERVER_OPTION_LIST.flatMap(([, { flag, metavar }]) => (metavar === undefined ? [] : [[flag, metavar]])),
    ),
    "--batch": "FILE",
  };
  static override completions: Readonly<Record<string, Source>> = Object.fromEntries(
    SERVER_OPTION_LIST.flatMap(([, { flag, completion }]) => (completion === undefined ? [] : [[flag, completion]])),
  );

  declare batch: string | undefined;

  #exitCode = EXIT_DONE;

  constructor() {
    super();
    // clipanion takes its options from the fields of a command.
    for (const [key, { flag, metavar, description }] of SERVER_OPTION_LIST) {
      const option =
        metavar === undefined ? Option.Boolean(flag, { description }) : Option.String(flag, { description });
      Object.assign(this, { [key]: option });
    }
    this.batch = Option.String("--batch", { description: "add the servers of a file (-: standard input)" });
  }

  override async perform(): Promise<Server | Batch> {
    return this.batch === undefined ? this.#addOne() : this.#addBatch(this.batch);
  }

  get #given(): Given {
    return this as Given;
  }

  async #addBatch(path: string): Promise<Batch> {
    const [other] = SERVER_OPTION_LIST.filter(([key]) => this.#given[key] !== undefined);
    if (other !== undefined) {
      const [key, { flag }] = other;
      throw new UsageError(`--batch and ${flag} exclude each other`, { hint: `write it into the file: "${key}"` });
    }
    const servers = readBatch(path);
    const { addServers } = await hostLibrary();
    const results = await this.#interruptibly((signal) => addServers(servers, { ...this.hostOptions(), signal }));
    const failures = results.flatMap((result, index) => ("error" in result ? [{ entry: index + 1, ...result }] : []));
    for (const { error } of failures) {
      this.context.stderr.write(describeError(error, { color: this.context.color.stderr, verbose: this.verbose }));
    }
    const [first] = failures;
    if (first !== undefined) this.#exitCode = exitCodeOf(first.error);
    return {
      added: results.flatMap((result) => ("server" in result ? [result.server] : [])),
      failed: failures.map(({ entry, error }) => ({ entry, error: plain(error) })),
    };
  }

  /** Only while the work lasts: a signal must end the process while it waits for the reader of its output. */
  async #interruptibly<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    using interruption = this.context.interruption();
    return await work(interruption.signal);
  }

  protected override exitCode(): number {
    return this.#exitCode;
  }

  async #addOne(): Promise<Server> {
    const { port, ...options } = parseServerOptions(this.#given);
    if (port === undefined) throw new UsageError("--port is missing", { hint: '--port N, or "--port auto"' });
    requireOneContainer(options);
    const { addServer } = await hostLibrary();
    return addServer({ ...options, port, ...this.hostOptions() });
  }

  override present(result: Server | Batch): string {
    if (!("added" in result)) return this.#presentOne(result);
    const { added, failed } = result;
    const { green } = this.style;
    const lines = added.map((server) => `${green("added")} ${serverLabel(server)}: ${publicEndpoints(server)}\n`);
    if (failed.length > 0) lines.push(`${failed.length} of ${added.length + failed.length} could not be added\n`);
    return lines.length === 0 ? "the file has no servers\n" : lines.join("");
  }

  #presentOne(server: Server): string {
    const { bold, green } = this.style;
    const { hostPeer, containerPeer, group, forwards, addresses } = server;
    const gateways = Object.values(addresses).map(({ gateway }) => gateway);
    return (
      `${green("added")} ${serverLabel(server)}: ` +
      `players connect to ${bold(forwards.map(publicEndpoint).join(", "))}\n` +
      renderFields(
        [
          ["container", `${forwards.map(containerEndpoint).join(", ")}, ${containerPeer.name} in ${server.netns}`],
          ["gateway", `${gateways.join(", ")}, ${hostPeer.name} on the host`],
          ...(group === null ? [] : [["group", group] as const]),
        ],
        this.style,
      )
    );
  }
}

/** Throws `UsageError` unless exactly one way to name the container was used. */
function requireOneContainer({ netns, container }: Partial<ServerOptions>): void {
  if ((netns === undefined) !== (container === undefined)) return;
  const flags = [SERVER_OPTIONS.netns.flag, SERVER_OPTIONS.container.flag];
  const reason = netns === undefined ? `${flags.join(" or ")} is missing` : `${flags.join(" and ")} exclude each other`;
  throw new UsageError(reason, { hint: "--netns PATH, NAME or pid:N, or --container NAME" });
}

/** An error in JSON. */
function plain(error: unknown): Batch["failed"][number]["error"] {
  if (!isDatapathError(error)) {
    return { code: "FAILED", op: "add a server", reason: error instanceof Error ? error.message : String(error) };
  }
  const { code, op, reason, hint } = error;
  return { code, op, reason, ...(hint === undefined ? {} : { hint }) };
}
