import type { Server } from "@dp/host";
import { Option } from "clipanion";
import { readBatch } from "../batch-file.ts";
import { ChangeCommand } from "../change-command.ts";
import { EXIT_DONE, exitCodeOf, isDatapathError } from "../exit-code.ts";
import { hostLibrary } from "../host-library.ts";
import { parseOptionalNumber, parsePort } from "../option-value.ts";
import { describeError } from "../report.ts";
import { renderFields } from "../table.ts";
import { UsageError } from "../usage-error.ts";

/** What became of the servers of a batch. */
interface Batch {
  added: Server[];
  failed: { entry: number; error: { code: string; op: string; reason: string; hint?: string } }[];
}

export class AddServerCommand extends ChangeCommand {
  static override paths = [["add-server"]];
  static override usage = ChangeCommand.Usage({
    category: "Servers",
    description: "put a container behind a port of the host",
    details:
      "Connects the container's network namespace to the host and sends what players send to the port there. " +
      "It happens as a whole or not at all. The container must have no network of its own (--network none).",
    examples: [
      [
        "A container of docker, podman or containerd, on the lowest free port",
        "dp add-server --port auto --container lobby",
      ],
      ["A network namespace made with ip netns", "dp add-server --port 25570 --netns lobby --name lobby"],
      ["By a process in it, for a script", "dp add-server --port auto --netns pid:4711 --json"],
      ["Many in one go: a JSON object on each line", "dp add-server --batch servers.jsonl"],
    ],
  });
  static override metavars = {
    "--port": "N|auto",
    "--netns": "PATH|NAME|pid:N",
    "--container": "[ENGINE:]NAME",
    "--name": "S",
    "--group": "G",
    "--address": "IP",
    "--container-ip": "IP",
    "--host-ip": "IP",
    "--ifname": "NAME",
    "--game-port": "N",
    "--mtu": "N",
    "--batch": "FILE",
  };

  port = Option.String("--port", { description: "the host port players connect to" });
  netns = Option.String("--netns", { description: "the container's network namespace" });
  container = Option.String("--container", { description: "a container of docker, podman, nerdctl, ctr or runc" });
  name = Option.String("--name", { description: "default: the container's, or server-PORT" });
  group = Option.String("--group", { description: "servers of one group reach each other's game port" });
  address = Option.String("--address", { description: "the public address (default: that of dp load)" });
  containerIp = Option.String("--container-ip", { description: "the container's address (default: the lowest free)" });
  hostIp = Option.String("--host-ip", { description: "its gateway, the host peer's address (default: ends alike)" });
  ifname = Option.String("--ifname", { description: "the interface inside the container (default eth0)" });
  gamePort = Option.String("--game-port", { description: "where the server listens (default 25565)" });
  mtu = Option.String("--mtu", { description: "default: the uplink's" });
  force = Option.Boolean("--force", false, { description: "also a port of the host's ephemeral range" });

  batch = Option.String("--batch", {
    description: "add those a file lists (-: standard input): JSON objects with keys as gamePort",
  });

  #exitCode = EXIT_DONE;

  override async perform(): Promise<Server | Batch> {
    return this.batch === undefined ? this.#addOne() : this.#addBatch(this.batch);
  }

  async #addBatch(path: string): Promise<Batch> {
    const others = { ...this.#given(), force: this.force || undefined };
    const other = Object.entries(others).find(([, value]) => value !== undefined)?.[0];
    if (other !== undefined) {
      const option = `--${other.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      throw new UsageError(`--batch and ${option} exclude each other`, { hint: `write it into the file: "${other}"` });
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

  #given() {
    const { port, netns, container, name, group, address, containerIp, hostIp, ifname, gamePort, mtu } = this;
    return { port, netns, container, name, group, address, containerIp, hostIp, ifname, gamePort, mtu };
  }

  protected override exitCode(): number {
    return this.#exitCode;
  }

  async #addOne(): Promise<Server> {
    if (this.port === undefined) throw new UsageError("--port is missing", { hint: '--port N, or "--port auto"' });
    if ((this.netns === undefined) === (this.container === undefined)) {
      const reason =
        this.netns === undefined ? "--netns or --container is missing" : "--netns and --container exclude each other";
      throw new UsageError(reason, { hint: "--netns PATH, NAME or pid:N, or --container NAME" });
    }
    const options = {
      ...this.#given(),
      ...this.hostOptions(),
      port: parsePort(this.port, "--port"),
      gamePort: parseOptionalNumber(this.gamePort, "--game-port"),
      mtu: parseOptionalNumber(this.mtu, "--mtu"),
      force: this.force,
    };
    const { addServer } = await hostLibrary();
    return addServer(options);
  }

  override present(result: Server | Batch): string {
    if (!("added" in result)) return this.#presentOne(result);
    const { added, failed } = result;
    const { green } = this.style;
    const lines = added.map(({ name, address, port }) => `${green("added")} ${name}: ${address}:${port}\n`);
    if (failed.length > 0) lines.push(`${failed.length} of ${added.length + failed.length} could not be added\n`);
    return lines.length === 0 ? "the file lists no servers\n" : lines.join("");
  }

  #presentOne(server: Server): string {
    const { bold, green } = this.style;
    const { hostPeer, containerPeer, group } = server;
    return (
      `${green("added")} ${server.name}: players connect to ${bold(`${server.address}:${server.port}`)}\n` +
      renderFields(
        [
          ["container", `${server.containerAddress}:${server.gamePort}, ${containerPeer.name} in ${server.netns}`],
          ["gateway", `${hostPeer.address}, ${hostPeer.name} on the host`],
          ...(group === null ? [] : [["group", group] as const]),
        ],
        this.style,
      )
    );
  }
}

/** An error for people and scripts, as JSON. */
function plain(error: unknown): Batch["failed"][number]["error"] {
  if (!isDatapathError(error)) {
    return { code: "FAILED", op: "add a server", reason: error instanceof Error ? error.message : String(error) };
  }
  const { code, op, reason, hint } = error;
  return { code, op, reason, ...(hint === undefined ? {} : { hint }) };
}
