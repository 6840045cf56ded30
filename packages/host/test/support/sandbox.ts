/**
 * A host of its own for a test, in network namespaces, with a pin root of its own:
 *
 *     internet: net0 203.0.113.1 ======== up0 203.0.113.10 :host          container: (nothing yet)
 *
 * While it exists, the test process is inside "host". When it is disposed everything is gone, and a test that left
 * something behind fails.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_PIN_ROOT, openPinned } from "@dp/core";
import { Netlink, openNamespace } from "@dp/netlink";
import { isBpffs, unmount } from "@dp/sys";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { openDescriptors } from "@dp/test-kit/open-descriptors.ts";
import { run } from "@dp/test-kit/run.ts";
import { readSysctl } from "../../src/kernel/sysctl.ts";
import { enterNetns } from "./netns.ts";

export const PUBLIC_ADDRESS = "203.0.113.10";
export const SECOND_ADDRESS = "203.0.113.11";

export class Sandbox implements Disposable {
  readonly id = randomBytes(4).toString("hex");
  readonly pinRoot: string;
  /** What was warned of. */
  readonly warnings: string[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), "hosttest-"));
  readonly #host = new NetworkNamespace();
  readonly #internet = new NetworkNamespace();
  readonly #containers: NetworkNamespace[] = [];
  readonly #home: Disposable;
  readonly #fds: string[];

  constructor() {
    this.pinRoot = join(this.#folder, "bpf");
    if (this.pinRoot === DEFAULT_PIN_ROOT) throw new Error("a test must not use the default pin root");
    const [host, internet] = [this.#host, this.#internet];
    host.ip("link", "add", "up0", "type", "veth", "peer", "name", "net0", "netns", internet.name);
    host.ip("link", "set", "lo", "up");
    host.ip("addr", "add", `${PUBLIC_ADDRESS}/24`, "dev", "up0");
    host.ip("addr", "add", `${SECOND_ADDRESS}/24`, "dev", "up0");
    internet.ip("addr", "add", "203.0.113.1/24", "dev", "net0");
    host.ip("link", "set", "up0", "up");
    internet.ip("link", "set", "net0", "up");
    host.ip("route", "add", "default", "via", "203.0.113.1");
    this.#home = enterNetns(host.path);
    this.#fds = openDescriptors();
  }

  /** The name of the host's namespace. */
  get host(): string {
    return this.#host.name;
  }

  /** The name of the internet's namespace. */
  get internet(): string {
    return this.#internet.name;
  }

  /** Makes a namespace for a container, with only its loopback interface, which is up. Returns its name. */
  container(): string {
    const container = new NetworkNamespace("container");
    this.#containers.push(container);
    container.ip("link", "set", "lo", "up");
    return container.name;
  }

  /** Adds an interface to the host, down; the other end is in the host, too. */
  addInterface(name: string, ...more: string[]): void {
    this.#host.ip("link", "add", name, ...more, "type", "veth", "peer", "name", `${name}x`);
  }

  /** As if the container died: its namespace, and with it the veth pair, goes. */
  async kill(container: string): Promise<void> {
    const hostPeers = () => run("ip", "-o", "link", "show", "type", "veth").split("\n").length;
    const before = hostPeers();
    run("ip", "netns", "delete", container);
    // The kernel takes a namespace apart when it finds the time.
    for (let waits = 0; hostPeers() === before && waits < 100; waits++) await Bun.sleep(50);
  }

  get options() {
    return { pinRoot: this.pinRoot, warn: (message: string) => void this.warnings.push(message) };
  }

  /** Everything that a change may change, in the host and in the containers. */
  observe(): unknown {
    using netlink = Netlink.open();
    return {
      host: seenBy(netlink),
      containers: this.#containers
        .filter(({ exists }) => exists)
        .map((container) => {
          using namespace = openNamespace(container.path);
          using inside = Netlink.open({ netns: namespace.fd });
          const ipv6 = container.inside(() => readSysctl("ipv6/conf/all/disable_ipv6") ?? "");
          return { name: container.name, ipv6, ...seenBy(inside) };
        }),
      reserved: readSysctl("ipv4/ip_local_reserved_ports"),
      pinRoot: this.#observePins(),
    };
  }

  #observePins(): unknown {
    if (!existsSync(this.pinRoot)) return "nothing";
    if (!isBpffs(this.pinRoot)) return "a folder";
    const pins = readdirSync(this.pinRoot, { recursive: true })
      .map(String)
      .filter((name) => !name.endsWith(".debug"));
    if (!pins.includes("progs/dp_dnat")) return pins.sort();
    using objects = openPinned({ pinRoot: this.pinRoot });
    return {
      pins: pins.sort(),
      records: objects.records.all(),
      // The ids of removed servers are left out: they are free again by themselves.
      changes: objects.records.changes.all().filter(({ kind }) => kind === "running"),
      endpoints: objects.endpoints.all(),
      servers: objects.servers.all(),
      containers: objects.containers.all(),
      hostPeers: objects.hostPeers.all(),
      players: objects.players.ids(),
      counters: objects.counters.all(),
      drops: objects.drops.ids(),
      flows: objects.flows.all(),
      reservedPorts: objects.reservedPorts.all(),
      config: objects.config.get(),
      settings: objects.settings.get(),
      hostAddresses: objects.hostAddresses.all().sort((one, other) => one.address.localeCompare(other.address)),
      uplinks: objects.uplinks.all(),
      links: objects.attachments.all().map(({ program, iface, ifindex, programId }) => {
        return { program, iface, ifindex, programId };
      }),
      cgroupLinks: objects.attachments.onCgroup().map(({ program, cgroupId, programId }) => {
        return { program, cgroupId, programId };
      }),
    };
  }

  /** The descriptors this process has open besides those it had, and the namespace to go back to. */
  get leakedFds(): string[] {
    return openDescriptors().filter((fd) => !this.#fds.includes(fd));
  }

  [Symbol.dispose](): void {
    this.#home[Symbol.dispose]();
    for (const namespace of [this.#host, this.#internet, ...this.#containers]) namespace[Symbol.dispose]();
    // What a failed test left mounted goes too.
    while (isBpffs(this.pinRoot)) unmount(this.pinRoot);
    if (existsSync(this.pinRoot)) rmdirSync(this.pinRoot);
    rmdirSync(this.#folder);
  }
}

function seenBy(netlink: Netlink): object {
  return {
    // The kernel hands out new indexes after every failed attempt, and queues of random seeds; not compared.
    links: netlink.links().map(({ name, mac, mtu, up }) => ({ name, mac, mtu, up })),
    addresses: netlink.addresses({ family: "inet" }).map(({ address, prefix, scope }) => ({ address, prefix, scope })),
    routes: netlink.routes({ family: "inet", table: "all" }).map(({ destination, gateway, source, type }) => ({
      destination,
      gateway,
      source,
      type,
    })),
    permanentNeighbours: netlink.neighbours({ family: "inet" }).filter(({ state }) => state === "permanent").length,
  };
}
