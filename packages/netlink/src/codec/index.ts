/**
 * rtnetlink's bytes to values and back: pure, with the kernel's names, one table under each C struct. For messages
 * `Netlink` has no method for; send them by a `Connection`.
 *
 * @module @dp/netlink/codec
 */
export { type Acknowledgement, extAckAttributes, readAcknowledgement } from "./acknowledgement.ts";
export { addressAttributes, AddressFlag, addressMessage } from "./address.ts";
export {
  type Attribute,
  attributes,
  type AttributeSet,
  type KnownAttribute,
  NLA_F_NESTED,
  NLA_F_NET_BYTEORDER,
  type UnknownAttribute,
} from "./attribute.ts";
export { type Body, body, type BodyCodec } from "./body.ts";
export { AF_INET, AF_INET6, AF_UNSPEC } from "./family.ts";
export { bpfFilterAttributes, ClsactParent, filterAttributes, filterMessage } from "./filter.ts";
export { ControlType, type Frame, MessageFlag, readFrames, writeFrame } from "./frame.ts";
export {
  linkAttributes,
  LinkFlag,
  linkInfoAttributes,
  linkMessage,
  operationalStates,
  propertyAttributes,
  RTEXT_FILTER_SKIP_STATS,
} from "./link.ts";
export { MalformedMessageError } from "./malformed.ts";
export { type Names, neighbourStates, routeProtocols, routeTypes, scopes } from "./names.ts";
export { neighbourAttributes, NeighbourFlag, neighbourMessage } from "./neighbour.ts";
export { compare, counter, drop, type Expression, meta } from "./nftables.ts";
export { nextHopAttributes, type NextHopEntry, routeAttributes, RouteFlag, routeMessage, type Via } from "./route.ts";
export {
  bytes,
  type Codec,
  type Field,
  hardwareAddress,
  ipAddress,
  nestedBytes,
  s32,
  text,
  u16,
  u32,
  u64,
  u8,
} from "./scalar.ts";
export { type Padding, padding, type Struct, struct } from "./struct.ts";
export { RtnlType } from "./type.ts";
export { vethAttributes } from "./veth.ts";
