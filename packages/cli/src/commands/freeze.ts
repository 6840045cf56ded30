import type { FrozenServer } from "@dp/host";
import { Option } from "clipanion";
import { ChangeCommand } from "../change-command.ts";
import { hostLibrary } from "../host-library.ts";
import { selectingServer } from "../server-command.ts";
import { serverLabel } from "../server-label.ts";
import { SERVER_HELP } from "../server-selector.ts";
import { renderFields } from "../table.ts";

const FreezeBase = selectingServer(ChangeCommand);

export class FreezeCommand extends FreezeBase {
  static override paths = [["freeze"]];
  static override usage = ChangeCommand.Usage({
    category: "Checkpoint",
    description: "prepare a server for a checkpoint: cut off its connections, refuse new ones",
    details:
      "Destroys the TCP connections and connected UDP sockets in the container's network namespace; listeners " +
      "stay. Until dp thaw, players are refused and connect(2) in the container fails with EPERM. Done again, it " +
      `destroys the sockets that were opened since. It needs Linux 6.5. ${SERVER_HELP}`,
    examples: [
      ["Before a checkpoint", "dp freeze lobby"],
      [
        "When the container's cgroup cannot be found by its processes",
        "dp freeze lobby --cgroup /sys/fs/cgroup/machine.slice/lobby",
      ],
    ],
  });
  static override metavars = { ...FreezeBase.metavars, "--cgroup": "PATH" };
  static override completions = { ...FreezeBase.completions, "--cgroup": "directories" as const };
  cgroup = Option.String("--cgroup", {
    description: "the container's cgroup (default: the deepest that has all its processes)",
  });

  override async perform(): Promise<FrozenServer> {
    const selector = this.selector();
    const { freezeServer } = await hostLibrary();
    return freezeServer(selector, { ...this.hostOptions(), cgroup: this.cgroup });
  }

  override present(server: FrozenServer): string {
    const { cgroup, destroyed } = server;
    return (
      `${this.style.yellow("frozen")} ${serverLabel(server)} until dp thaw ${server.name}\n` +
      renderFields(
        [
          ["cut off", `${destroyed.tcp} TCP and ${destroyed.udp} UDP socket${destroyed.udp === 1 ? "" : "s"}`],
          ["refused", `new connections of ${cgroup}`],
        ],
        this.style,
      )
    );
  }
}
