import type { Server } from "@dp/host";
import { Option } from "clipanion";
import { ChangeCommand } from "../change-command.ts";
import { hostLibrary } from "../host-library.ts";
import { parseOptionalNumber, parsePort } from "../option-value.ts";
import { renderFields } from "../table.ts";
import { UsageError } from "../usage-error.ts";

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

  override async perform(): Promise<Server> {
    if (this.port === undefined) throw new UsageError("--port is missing", { hint: '--port N, or "--port auto"' });
    if ((this.netns === undefined) === (this.container === undefined)) {
      const reason =
        this.netns === undefined ? "--netns or --container is missing" : "--netns and --container exclude each other";
      throw new UsageError(reason, { hint: "--netns PATH, NAME or pid:N, or --container NAME" });
    }
    const options = {
      ...this.hostOptions(),
      port: parsePort(this.port, "--port"),
      netns: this.netns,
      container: this.container,
      name: this.name,
      group: this.group,
      address: this.address,
      containerIp: this.containerIp,
      hostIp: this.hostIp,
      ifname: this.ifname,
      gamePort: parseOptionalNumber(this.gamePort, "--game-port"),
      mtu: parseOptionalNumber(this.mtu, "--mtu"),
      force: this.force,
    };
    const { addServer } = await hostLibrary();
    return addServer(options);
  }

  override present(server: Server): string {
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
