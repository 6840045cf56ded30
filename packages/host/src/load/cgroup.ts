import type { Objects } from "@dp/core";
import { cgroup2Mount, cgroupFolderById } from "../kernel/cgroup.ts";
import type { LoadInput } from "./input.ts";
import { OP } from "./options.ts";

/** The folder of the cgroup that programs are attached to; undefined if there is none, or it is gone. */
export function cgroupOf(objects: Objects | undefined): string | undefined {
  const id = objects?.attachments.onCgroup().find(({ cgroupId }) => cgroupId !== 0n)?.cgroupId;
  return id === undefined ? undefined : cgroupFolderById(id);
}

/** The cgroup of the options; else that of the last load; else the whole mount. */
export function chooseCgroup({ previous, options }: LoadInput, old: string | undefined): string {
  if (options.cgroup !== undefined) return options.cgroup;
  if (old !== undefined) return old;
  const mount = cgroup2Mount(OP);
  if (previous !== undefined && previous.attachments.onCgroup().length > 0) {
    options.warn?.(`the cgroup of the proxies is gone: all processes below ${mount} may be proxies now`);
  }
  return mount;
}
