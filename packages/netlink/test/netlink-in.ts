import type { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { Netlink, openNamespace } from "../src/index.ts";

/** Opens netlink in a namespace. */
export function netlinkIn({ path }: NetworkNamespace): Netlink {
  using namespace = openNamespace(path);
  return Netlink.open({ netns: namespace.fd });
}
