import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { must } from "@dp/test-kit/program.ts";
import type { Dp } from "./dp.ts";
import { MECHANISM } from "./mechanism.ts";

/** Of what is attached: the program, and where, which for a container's end is the host's end of its cable. */
const PIN = /^(dp_\w+?)_(cgroup|eth0|dp\d+)$/;

/** Name of its pin → number of the program that runs there, as the kernel says and another tool reads it. */
export async function attached(dp: Dp): Promise<Map<string, number>> {
  const folder = join(dp.pinRoot, "progs");
  const pins = readdirSync(folder).filter((name) => PIN.test(name) && !name.startsWith("dp_clsact_"));
  const containers = pins.some((name) => name.startsWith("dp_tproxy_container")) ? await dp.list() : [];
  const ids = pins.map(async (name) => {
    const [, program = "", place = ""] = PIN.exec(name) ?? [];
    if (MECHANISM === "tcx" || place === "cgroup") return [name, await programOfLink(join(folder, name))] as const;
    const server = containers.find(({ hostPeer }) => hostPeer.name === place);
    const [netns, iface] =
      program === "dp_tproxy_container" && server !== undefined
        ? [basename(server.netns), server.containerPeer.name]
        : [dp.host.name, place];
    return [name, await programOfFilter(netns, iface, program)] as const;
  });
  return new Map(await Promise.all(ids));
}

async function programOfLink(path: string): Promise<number> {
  const info = JSON.parse(await must(["bpftool", "-j", "link", "show", "pinned", path])) as unknown;
  return ((Array.isArray(info) ? info[0] : info) as { prog_id: number }).prog_id;
}

interface Filter {
  readonly options?: { readonly prog?: { readonly id: number; readonly name: string } };
}

/** 0 when there is none. */
async function programOfFilter(netns: string, iface: string, program: string): Promise<number> {
  const direction = program.startsWith("dp_tproxy") ? "egress" : "ingress";
  const filters = JSON.parse(
    await must(["tc", "-n", netns, "-j", "filter", "show", "dev", iface, direction]),
  ) as Filter[];
  // The kernel keeps 15 characters of a name.
  const ours = filters
    .flatMap(({ options }) => options?.prog ?? [])
    .filter(({ name }) => name === program.slice(0, 15));
  if (ours.length > 1) throw new Error(`${program} is on ${iface} ${ours.length} times`);
  return ours[0]?.id ?? 0;
}
