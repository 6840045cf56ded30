import type { FrozenServer } from "@dp/host";
import { Option } from "clipanion";
import { ChangeCommand } from "../change-command.ts";
import { hostLibrary } from "../host-library.ts";
import { SELECTOR_METAVARS, selectorOf } from "../server-selector.ts";
import { renderFields } from "../table.ts";

export class FreezeCommand extends ChangeCommand {
  static override paths = [["freeze"]];
  static override usage = ChangeCommand.Usage({
    category: "Checkpoint",
    description: "make a server ready for a checkpoint: cut off its connections, and refuse new ones",
    details:
      "Destroys the TCP connections and connected UDP sockets in the container's network namespace; listeners stay. " +
      "Players are refused, and what the container wants to connect to fails with EPERM, until dp thaw. " +
      "Done again, it destroys what came to be meanwhile. It takes Linux 6.5.",
    examples: [
      ["Before a checkpoint", "dp freeze --port 25570"],
      [
        "When the container's cgroup cannot be told by its processes",
        "dp freeze --port 25570 --cgroup /sys/fs/cgroup/machine.slice/lobby",
      ],
    ],
  });
  static override metavars = { ...SELECTOR_METAVARS, "--cgroup": "PATH" };

  port = Option.String("--port", { description: "the server on this host port" });
  address = Option.String("--address", { description: "its public address, where several servers have that port" });
  name = Option.String("--name", { description: "the server of this name" });
  cgroup = Option.String("--cgroup", {
    description: "the container's cgroup (default: the one its network namespace's processes share)",
  });

  override async perform(): Promise<FrozenServer> {
    const selector = selectorOf(this);
    const { freezeServer } = await hostLibrary();
    return freezeServer(selector, { ...this.hostOptions(), cgroup: this.cgroup });
  }

  override present({ name, port, cgroup, destroyed }: FrozenServer): string {
    return (
      `${this.style.yellow("frozen")} server ${port} (${name}) until dp thaw --port ${port}\n` +
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
