import type { LoadResult } from "@dp/host";
import { Option } from "clipanion";
import { ChangeCommand } from "../change-command.ts";
import { describeFinding, renderFindings } from "../findings.ts";
import { hostLibrary } from "../host-library.ts";
import { parseOptionalNumber, parseRange } from "../option-value.ts";
import { renderFields } from "../table.ts";
import { version } from "../version.ts";

export class LoadCommand extends ChangeCommand {
  static override paths = [["load"]];
  static override usage = ChangeCommand.Usage({
    category: "Host",
    description: "load the programs and attach them to the uplinks; when loaded, upgrade in place",
    details:
      "Loads and pins the programs and their maps, and attaches them to the uplinks: the interfaces that players' " +
      "packets arrive by. On a loaded host, servers stay and lose no packet; options that are not given keep their " +
      "values.",
    examples: [
      ["On the default route's interface, with its address", "dp load"],
      ["Two uplinks, another range for --port auto", "dp load --iface eth0 --iface eth1 --port-range 25565-26000"],
    ],
  });
  static override metavars = {
    "--iface": "NAME",
    "--address": "IP",
    "--cgroup": "PATH",
    "--http-port": "N",
    "--dns-port": "N",
    "--tcp-port": "N",
    "--host-subnet": "SUBNET",
    "--container-subnet": "SUBNET",
    "--port-range": "FIRST-LAST",
    "--max-servers": "N",
  };

  static override completions = { "--iface": "interfaces", "--cgroup": "directories" } as const;

  iface = Option.Array("--iface", {
    description: "an uplink; may be repeated (default: the default route's interface)",
  });
  address = Option.Array("--address", {
    description: "a public address; may be repeated, servers get the first (default: the uplink's)",
  });
  cgroup = Option.String("--cgroup", {
    description: "the proxy's cgroup2 folder, or one above it (default: the cgroup2 mount)",
  });
  httpPort = Option.String("--http-port", { description: "the proxy's HTTP listener (default 9080)" });
  dnsPort = Option.String("--dns-port", { description: "the proxy's DNS listener (default 9053)" });
  tcpPort = Option.String("--tcp-port", { description: "the proxy's TCP listener (default 9111)" });
  hostSubnet = Option.String("--host-subnet", { description: "host peers' addresses (default 10.1.0.0/16)" });
  containerSubnet = Option.String("--container-subnet", { description: "containers' addresses (default 10.2.0.0/16)" });
  portRange = Option.String("--port-range", { description: "the ports for --port auto (default 25565-30564)" });
  maxServers = Option.String("--max-servers", {
    description: "the number of servers there is room for (default 4096)",
  });

  override async perform(): Promise<LoadResult> {
    const options = {
      ...this.hostOptions(),
      ifaces: this.iface,
      addresses: this.address,
      cgroup: this.cgroup,
      httpPort: parseOptionalNumber(this.httpPort, "--http-port"),
      dnsPort: parseOptionalNumber(this.dnsPort, "--dns-port"),
      tcpPort: parseOptionalNumber(this.tcpPort, "--tcp-port"),
      hostSubnet: this.hostSubnet,
      containerSubnet: this.containerSubnet,
      portRange: this.portRange === undefined ? undefined : parseRange(this.portRange, "--port-range"),
      maxServers: parseOptionalNumber(this.maxServers, "--max-servers"),
      build: version(),
    };
    const { load } = await hostLibrary();
    return load(options);
  }

  override present(result: LoadResult): string {
    const { bold, green } = this.style;
    const uplinks = result.uplinks.map(({ name }) => name).join(", ");
    const servers = result.servers === 1 ? "1 server" : `${result.servers} servers`;
    return (
      `${green(result.upgraded ? "upgraded" : "loaded")} on ${bold(uplinks)}${result.upgraded ? `, ${servers}` : ""}\n` +
      renderFields(
        [
          ["public address", perFamily(result.publicAddresses)],
          ["ports for auto", result.portRange.join("-")],
          ["host peers", perFamily(result.hostSubnets)],
          ["containers", perFamily(result.containerSubnets)],
          ["proxy listeners", `HTTP ${result.httpPort}, DNS ${result.dnsPort}, TCP ${result.tcpPort}`],
          ["proxies in", result.cgroup],
          ["attached by", result.mechanism === "tcx" ? "TCX links" : "clsact filters"],
          ["pinned under", result.pinRoot],
          ...(result.migrated.length > 0 ? [["migrated maps", result.migrated.join(", ")] as [string, string]] : []),
        ],
        this.style,
      ) +
      result.repaired.map((finding) => `${green("repaired")} ${describeFinding(finding)}\n`).join("") +
      renderFindings(result.remaining, this.style)
    );
  }
}

/** A value for each address family that has one. */
function perFamily(values: Readonly<Partial<Record<"ipv4" | "ipv6", string>>>): string {
  return Object.values(values).join(", ");
}
