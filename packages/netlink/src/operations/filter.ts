import { bpfFilterAttributes, ClsactParent, filterAttributes, filterMessage } from "../codec/filter.ts";
import type { Frame } from "../codec/frame.ts";
import { RtnlType } from "../codec/type.ts";
import type { Connection } from "../connection.ts";
import { checkIndex } from "../input.ts";

/** A filter of traffic control, on the clsact or the ingress qdisc of an interface. */
export interface Filter {
  /** "bpf", "flower", "u32", "matchall"... */
  readonly kind: string;
  /** Filters run by ascending priority. */
  readonly priority: number;
  readonly chain: number;
  /** Tells filters of one priority apart. */
  readonly handle: number;
  /** Of kind "bpf": its program, by the kernel's number and by the name it was given when it was attached. */
  readonly program: { readonly id: number; readonly name: string } | undefined;
}

/** Which filters. */
export interface FilterQuery {
  ifindex: number;
  /** As the kernel sees the interface: ingress is what it receives. */
  direction: "ingress" | "egress";
}

const { RTM_NEWTFILTER, RTM_GETTFILTER } = RtnlType;

export function listFilters(connection: Connection, { ifindex, direction }: FilterQuery): Filter[] {
  const op = `list ${direction} filters`;
  const payload = filterMessage.build(
    { tcm_ifindex: checkIndex(ifindex, op), tcm_parent: ClsactParent[direction] },
    {},
  );
  return connection.dump({ type: RTM_GETTFILTER, payload }, op).flatMap(readFilter);
}

function readFilter(frame: Frame): Filter[] {
  if (frame.type !== RTM_NEWTFILTER) return [];
  const { header, attributes } = filterMessage.read(frame.payload);
  // Before the filters of a priority comes an entry for the priority itself.
  if (header.tcm_handle === 0) return [];
  const { TCA_KIND: kind = "", TCA_OPTIONS: options, TCA_CHAIN: chain = 0 } = filterAttributes.values(attributes);
  const bpf = kind === "bpf" && options !== undefined ? readBpf(options) : undefined;
  return [{ kind, priority: header.tcm_info >>> 16, chain, handle: header.tcm_handle, program: bpf }];
}

function readBpf(options: Uint8Array): Filter["program"] {
  const { TCA_BPF_ID: id, TCA_BPF_NAME: name = "" } = bpfFilterAttributes.values(bpfFilterAttributes.read(options));
  return id === undefined ? undefined : { id, name };
}
