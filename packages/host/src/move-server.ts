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
  objects.addNetData({ ...record, publicAddress, uplink }, "replace");
  const { index } = record.veth.hostPeer.iface;
  const snat = objects.getSnatTarget(index);
  if (snat?.publicPort === record.hostPort) objects.addSnatTarget(index, { ...snat, publicAddress, uplink });
  if (publicAddress === record.publicAddress) return;
  const { hostPort: port } = record;
  const dnat = objects.getDnatTarget({ address: record.publicAddress, port });
  if (dnat === undefined) return;
  objects.addDnatTarget({ address: publicAddress, port }, dnat);
  objects.delDnatTarget({ address: record.publicAddress, port });
}
