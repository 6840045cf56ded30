import { attributes } from "./attribute.ts";
import { linkMessage } from "./link.ts";

/** IFLA_INFO_DATA of the kind "veth" (linux/veth.h). */
export const vethAttributes = attributes({
  /** The other end: a whole message of its own, ifinfomsg and attributes. */
  VETH_INFO_PEER: [1, linkMessage],
});
