import { Link } from "../../libbpf/link.ts";
import { pinnedKind, unpin } from "../../libbpf/pin.ts";
import type { Attachments } from "./attachments.ts";
import type { PinRoot } from "./pin-root.ts";

/**
 * Detaches and unpins everything of datapath's under a root, dp_dnat first, and removes its folders. Pins of other
 * software stay. Done twice, it does nothing the second time. The contents of the maps end with their last descriptor.
 */
export function unpinAll(root: PinRoot, attachments: Attachments): void {
  attachments.detachAll();
  const { progs, maps } = root.pins();
  for (const path of progs) {
    // Also the link of a program this build does not know: unpinned alone, it would live on in a process that has it
    // open.
    if (pinnedKind(path) === "link") {
      using link = Link.fromPin(path);
      link.detach();
    }
    unpin(path);
  }
  for (const path of maps) unpin(path);
  for (const { path } of root.replaced()) unpin(path);
  root.removeFolders();
}
