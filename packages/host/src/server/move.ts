import type { Objects, ServerRecord } from "@dp/core";

/** Where players find a server. */
export interface Home {
  publicAddress: string;
  /** ifindex of the interface replies leave by. */
  uplink: number;
}

/**
 * Gives a server another public address or uplink: the record first, so that whoever finds it half done finishes it.
 * Its counters start anew.
 */
export function moveServer(objects: Objects, record: ServerRecord, { publicAddress, uplink }: Home): void {
  const { addr: containerAddress } = record.veth.podPeer;
  objects.records.beginChange(containerAddress);
  objects.addNetData({ ...record, publicAddress, uplink }, "replace");
  const { index } = record.veth.hostPeer.iface;
  const snat = objects.getSnatTarget(index);
  if (snat?.containerAddress === containerAddress) objects.addSnatTarget(index, { ...snat, publicAddress, uplink });
  const { hostPort: port } = record;
  const dnat = objects.getDnatTarget({ address: record.publicAddress, port });
  if (publicAddress !== record.publicAddress && dnat !== undefined) {
    objects.addDnatTarget({ address: publicAddress, port }, dnat);
    objects.delDnatTarget({ address: record.publicAddress, port });
  }
  objects.records.endChange(containerAddress);
}
