import type { FrozenServer } from "@dp/host";
import { Option } from "clipanion";
import { ChangeCommand } from "../change-command.ts";
import { hostLibrary } from "../host-library.ts";
import { parseNumber } from "../option-value.ts";
import { renderFields } from "../table.ts";
import { UsageError } from "../usage-error.ts";

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
  static override metavars = { "--port": "N", "--cgroup": "PATH" };

  port = Option.String("--port", { description: "the server on this host port" });
  cgroup = Option.String("--cgroup", {
    description: "the container's cgroup (default: the one its network namespace's processes share)",
  });

  override async perform(): Promise<FrozenServer> {
    if (this.port === undefined) throw new UsageError("--port is missing", { hint: "--port N" });
    const port = parseNumber(this.port, "--port");
    const { freezeServer } = await hostLibrary();
    return freezeServer({ ...this.hostOptions(), port, cgroup: this.cgroup });
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
