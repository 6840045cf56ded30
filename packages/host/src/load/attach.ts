/** Attaching what was loaded in place of what was attached before. */
import type { Interface } from "@dp/core";
import type { Link } from "@dp/netlink";
import { toInterface } from "../interfaces/uplink.ts";
import type { LoadContext } from "./context.ts";
import type { LoadPlan } from "./plan.ts";
import { uplinksOf } from "./uplinks.ts";

const ATTACH = {
  dnat: "attachAndPinDnat",
  snat: "attachAndPinSnat",
  arp: "attachAndPinArp",
  tproxy_host: "attachTproxyHostEgress",
} as const;

/** Attaches a program, or swaps it in place; undone by swapping the previous back in, or by detaching. */
export function attach(
  { transaction, objects, previous }: LoadContext,
  program: keyof typeof ATTACH,
  iface: Interface,
): void {
  transaction.step(
    `attach ${program} to ${iface.name}`,
    () => objects[ATTACH[program]](iface),
    (done) => {
      if (done === "updated" && previous !== undefined) previous[ATTACH[program]](iface);
      else objects.detach(program, iface);
    },
  );
}

export function attachToCgroup(
  { transaction, objects, previous }: LoadContext,
  { cgroup, oldCgroup }: Pick<LoadPlan, "cgroup" | "oldCgroup">,
): void {
  transaction.step(
    `attach getsockopt and sockops to ${cgroup}`,
    () => objects.attachAndPinGetsockopt(cgroup),
    () => {
      if (previous !== undefined && oldCgroup !== undefined) previous.attachAndPinGetsockopt(oldCgroup);
      else objects.detachGetsockopt();
    },
  );
}

/** dp_guard wants the mark of dp_snat, which that of before may not give: after all of those have been swapped. */
export function attachGuard({ transaction, objects, options }: LoadContext): void {
  transaction.step(
    "attach guard",
    () => {
      const attached = objects.attachAndPinGuard();
      if (attached === "unsupported") {
        options.warn?.(
          "this kernel (before 6.4) has no BPF programs in netfilter: a process that administers a container's " +
            "network reaches the host's own services by way of an ifb device",
        );
      }
      return attached;
    },
    // One that was there before stays in the new one's shape: they do the same.
    (attached) => attached === "attached" && objects.detachGuard(),
  );
}

/** Detaches from the uplinks of before that are none any more. */
export function leaveUplinks(context: LoadContext, uplinks: readonly Link[]): void {
  const { transaction, objects, previous, netlink } = context;
  for (const { iface, ifindex } of uplinksOf(previous)) {
    if (uplinks.some(({ name }) => name === iface)) continue;
    const link = ifindex === 0 ? undefined : netlink.link(ifindex);
    transaction.step(
      `detach dnat from ${iface}`,
      () => objects.detach("dnat", iface),
      () => link !== undefined && previous?.attachAndPinDnat(toInterface(link)),
    );
    if (ifindex === 0) continue;
    transaction.step(
      `no uplink ${iface}`,
      () => objects.delUplink(ifindex),
      () => objects.addUplink(ifindex),
    );
  }
}
