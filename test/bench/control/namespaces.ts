import { type Fd, newNetns } from "@dp/sys";
import type { Spare } from "./contender.ts";

/** Network namespaces for containers. They end when this is disposed of, or with this process. */
export class Namespaces implements Disposable {
  readonly all: readonly Spare[];

  constructor(count: number) {
    this.all = Array.from({ length: count }, () => namespaceOf(newNetns()));
  }

  [Symbol.dispose](): void {
    for (const { netns } of this.all) netns.close();
  }
}

/** Other processes reach it by this path. Files under /run/netns would need ten thousand mounts. */
function namespaceOf(netns: Fd): Spare {
  return { netns, path: `/proc/${process.pid}/fd/${netns.number}` };
}
