import { type Fd, newNetns } from "@dp/sys";
import type { Spare } from "./contender.ts";

/** As many network namespaces, each a container's, gone with this process or when they are disposed. */
export class Namespaces implements Disposable {
  readonly all: readonly Spare[];

  constructor(count: number) {
    this.all = Array.from({ length: count }, () => namespaceOf(newNetns()));
  }

  [Symbol.dispose](): void {
    for (const { netns } of this.all) netns.close();
  }
}

/** By the way to it that other processes have, which a file under /run/netns would be, too, and ten thousand mounts. */
function namespaceOf(netns: Fd): Spare {
  return { netns, path: `/proc/${process.pid}/fd/${netns.number}` };
}
