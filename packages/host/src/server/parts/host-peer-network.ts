import { restrictHostPeer } from "../../interfaces/veth-pair.ts";
import { repairBy, type Problem, serverProblem } from "../../repair/problem.ts";
import { addressPairs } from "../addresses.ts";
import type { ServerPart } from "./part.ts";

/**
 * The network of the host peer: the gateway's address, and sysctls that restrict packets which skip the programs. The
 * kernel removes them with the interface.
 */
export const hostPeerNetwork: ServerPart = {
  name: "host peer address",
  add({ host, record }) {
    const { ifindex, name } = record.hostPeer;
    restrictHostPeer(name);
    // Scope "link": the host never uses it as its own address on another interface.
    for (const { gateway } of addressPairs(record)) {
      host.addAddress({ ifindex, address: gateway, prefix: 32, scope: "link" });
    }
  },
  check(view, record) {
    const { netlink } = view;
    const { ifindex, name } = record.hostPeer;
    return addressPairs(record).flatMap(({ gateway }): Problem[] => {
      if (view.addressesOf(ifindex).some(({ address }) => address === gateway)) return [];
      const what = `${name} does not have the gateway's address ${gateway}`;
      const remedy = repairBy(() => netlink.addAddress({ ifindex, address: gateway, prefix: 32, scope: "link" }));
      return [serverProblem(record, { code: "missing-gateway-address", severity: "error", what }, remedy)];
    });
  },
};
