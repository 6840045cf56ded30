import type { ForwardDetails, ServerDetails, TrafficCount } from "@dp/host";
import { formatAge, formatBytes, formatPackets } from "../amount.ts";
import { DpCommand } from "../dp-command.ts";
import { dropFields } from "../drop-reason.ts";
import { containerEndpoint, publicEndpoint } from "../forward.ts";
import { hostLibrary } from "../host-library.ts";
import { selectingServer } from "../server-command.ts";
import { SERVER_HELP } from "../server-selector.ts";
import { paintState } from "../state.ts";
import { renderFields } from "../table.ts";

export class ShowCommand extends selectingServer(DpCommand) {
  static override paths = [["show"]];
  static override usage = DpCommand.Usage({
    category: "Servers",
    description: "show one server with its traffic and drops",
    details: SERVER_HELP,
    examples: [
      ["By its name", "dp show lobby"],
      ["By its public port", "dp show 25570"],
      ["By a public endpoint, when several servers have the port", "dp show 203.0.113.10:25570/tcp"],
    ],
  });

  override async perform(): Promise<ServerDetails> {
    const selector = this.selector();
    const { show } = await hostLibrary();
    return show(selector, this.hostOptions());
  }

  override present(server: ServerDetails): string {
    const { bold } = this.style;
    const { hostPeer, containerPeer, container, addresses } = server;
    const age = formatAge(this.context.now().getTime() - Date.parse(server.createdAt));
    const gateways = Object.values(addresses).map(({ gateway }) => gateway);
    return (
      `${bold(server.name)} ${paintState(server.state, server.state, this.style)}\n` +
      renderFields(
        [
          ["id", String(server.id)],
          ...server.forwards.flatMap(forwardFields),
          ["container", container === null ? server.netns : `${container.engine}:${container.name}, ${server.netns}`],
          [
            "container peer",
            `${containerPeer.name}, ${containerPeer.mac}, interface ${containerPeer.ifindex} in the container`,
          ],
          ["host peer", `${hostPeer.name}, ${hostPeer.mac}, interface ${hostPeer.ifindex} on the host`],
          ["gateway", gateways.join(", ")],
          ["network", server.network],
          ["group", server.group ?? "none"],
          ["owner", server.owner],
          ["added", `${server.createdAt} (${age} ago)`],
          ["flows", server.flows.toLocaleString("en")],
          ...dropFields(server.drops),
        ],
        this.style,
      )
    );
  }
}

function forwardFields(forward: ForwardDetails): [label: string, value: string][] {
  const way = `by ${forward.uplink ?? "an uplink that is gone"}, MTU ${forward.mtu}`;
  return [
    ["players connect to", `${publicEndpoint(forward)} -> ${containerEndpoint(forward)} ${way}`],
    ["  from players", traffic(forward.in)],
    ["  to players", traffic(forward.out)],
  ];
}

function traffic({ packets, bytes }: TrafficCount): string {
  return `${formatPackets(packets)}, ${formatBytes(bytes)}`;
}
