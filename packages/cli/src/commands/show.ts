import type { ServerDetails } from "@dp/host";
import { Option } from "clipanion";
import { formatAge, formatBytes, formatPackets } from "../amount.ts";
import { DpCommand } from "../dp-command.ts";
import { describeDrop } from "../drop-reason.ts";
import { hostLibrary } from "../host-library.ts";
import { SELECTOR_METAVARS, selectorOf } from "../server-selector.ts";
import { paintState } from "../state.ts";
import { renderFields } from "../table.ts";

export class ShowCommand extends DpCommand {
  static override paths = [["show"]];
  static override usage = DpCommand.Usage({
    category: "Servers",
    description: "one server, with what its packets came to",
    examples: [["Addresses, interfaces, traffic and drops", "dp show --port 25570"]],
  });
  static override metavars = SELECTOR_METAVARS;

  port = Option.String("--port", { description: "the server on this host port" });
  address = Option.String("--address", { description: "its public address, where several servers have that port" });
  name = Option.String("--name", { description: "the server of this name" });

  override async perform(): Promise<ServerDetails> {
    const selector = selectorOf(this);
    const { show } = await hostLibrary();
    return show(selector, this.hostOptions());
  }

  override present(server: ServerDetails): string {
    const { bold } = this.style;
    const { hostPeer, containerPeer, counters } = server;
    const age = formatAge(this.context.now().getTime() - Date.parse(server.createdAt));
    const drops = Object.entries(counters.drops).filter(([, packets]) => packets > 0);
    const dropped = drops.reduce((sum, [, packets]) => sum + packets, 0);
    const traffic = ({ packets, bytes }: { packets: number; bytes: number }) =>
      `${formatPackets(packets)}, ${formatBytes(bytes)}`;
    return (
      `${bold(server.name)} ${paintState(server.state, server.state, this.style)}\n` +
      renderFields(
        [
          ["players connect to", `${server.address}:${server.port}`],
          ["container", `${server.containerAddress}:${server.gamePort} in ${server.netns}`],
          ["container peer", `${containerPeer.name}, ${containerPeer.mac}, interface ${containerPeer.ifindex} there`],
          ["host peer", `${hostPeer.name}, ${hostPeer.address}, ${hostPeer.mac}, interface ${hostPeer.ifindex}`],
          ["group", server.group ?? "none"],
          ["added", `${server.createdAt} (${age} ago)`],
          ["from players", traffic(counters.in)],
          ["to players", traffic(counters.out)],
          ["through the proxy", `${server.flows.toLocaleString("en")} flow${server.flows === 1 ? "" : "s"}`],
          ["dropped", formatPackets(dropped)],
          ...drops.map(
            ([reason, packets]) => ["", `${packets.toLocaleString("en")}  ${describeDrop(reason)}`] as const,
          ),
        ],
        this.style,
      )
    );
  }
}
