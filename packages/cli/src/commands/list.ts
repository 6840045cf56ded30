import type { Server } from "@dp/host";
import { formatAge } from "../amount.ts";
import { DpCommand } from "../dp-command.ts";
import { containerEndpoint, publicEndpoints } from "../forward.ts";
import { hostLibrary } from "../host-library.ts";
import { paintState } from "../state.ts";
import { renderTable } from "../table.ts";

export class ListCommand extends DpCommand {
  static override paths = [["list"]];
  static override usage = DpCommand.Usage({
    category: "Servers",
    description: "list all servers",
    details: 'A server whose container is gone has the state "gone": dp del-server or dp repair removes it.',
    examples: [
      ["As a table", "dp list"],
      ["For a script", "dp list --json"],
    ],
  });

  override async perform(): Promise<Server[]> {
    const { list } = await hostLibrary();
    return list(this.hostOptions());
  }

  override present(servers: Server[]): string {
    if (servers.length === 0) return "there are no servers (dp add-server adds one)\n";
    const now = this.context.now().getTime();
    return renderTable(
      servers,
      [
        { title: "ID", value: ({ id }) => String(id), align: "right" },
        { title: "NAME", value: ({ name }) => name },
        {
          title: "STATE",
          value: ({ state }) => state,
          paint: (text, { state }) => paintState(text, state, this.style),
        },
        { title: "PLAYERS CONNECT TO", value: publicEndpoints },
        {
          title: "CONTAINER",
          value: ({ forwards: [first] }) => (first === undefined ? "-" : containerEndpoint(first)),
        },
        { title: "INTERFACE", value: ({ hostPeer }) => hostPeer.name },
        { title: "GROUP", value: ({ group }) => group ?? "-" },
        { title: "AGE", value: ({ createdAt }) => formatAge(now - Date.parse(createdAt)) },
        { title: "NETNS", value: ({ netns }) => netns },
      ],
      this.style,
    );
  }
}
