import type { NetworkNamespace } from "../topology/namespace.ts";

/**
 * Counts the TCP and ARP packets that reach an interface, before anything else there sees them: also those that no
 * socket in that namespace waits for.
 */
export class Counted {
  readonly #namespace: NetworkNamespace;

  private constructor(namespace: NetworkNamespace) {
    this.#namespace = namespace;
  }

  static async at(namespace: NetworkNamespace, iface = "eth0"): Promise<Counted> {
    const rules = [
      "add table netdev counted",
      `add chain netdev counted in { type filter hook ingress device "${iface}" priority 0; }`,
      "add counter netdev counted seen",
      "add rule netdev counted in ip protocol tcp counter name seen",
      "add rule netdev counted in ether type arp counter name seen",
    ];
    const { code, stderr } = await namespace.run(["nft", rules.join("; ")]);
    if (code !== 0) throw new Error(`nft: ${stderr}`);
    return new Counted(namespace);
  }

  async packets(): Promise<number> {
    const { stdout } = await this.#namespace.run(["nft", "-j", "list", "counter", "netdev", "counted", "seen"]);
    const counter = /"packets": (\d+)/.exec(stdout)?.[1];
    if (counter === undefined) throw new Error(`no counter in ${stdout}`);
    return Number(counter);
  }
}
