import { DatapathError } from "@dp/sys";

/** enum bpf_attach_type (linux/bpf.h): the cgroup hooks, and the numbers the other link kinds need. */
export const CgroupAttachType = {
  inetIngress: 0,
  inetEgress: 1,
  inetSockCreate: 2,
  sockOps: 3,
  device: 6,
  inet4Bind: 8,
  inet6Bind: 9,
  inet4Connect: 10,
  inet6Connect: 11,
  inet4PostBind: 12,
  inet6PostBind: 13,
  udp4Sendmsg: 14,
  udp6Sendmsg: 15,
  sysctl: 18,
  udp4Recvmsg: 19,
  udp6Recvmsg: 20,
  getsockopt: 21,
  setsockopt: 22,
  inet4GetPeername: 29,
  inet6GetPeername: 30,
  inet4GetSockname: 31,
  inet6GetSockname: 32,
  inetSockRelease: 34,
} as const;

/** The name of a hook on a cgroup. */
export type CgroupAttachName = keyof typeof CgroupAttachType;

const cgroupNames = new Map<number, CgroupAttachName>(
  Object.entries(CgroupAttachType).map(([name, type]) => [type, name as CgroupAttachName]),
);

/** The name of a cgroup hook by its number; undefined for one not known here. */
export function cgroupAttachName(type: number): CgroupAttachName | undefined {
  return cgroupNames.get(type);
}

export const BPF_TRACE_ITER = 28;
export const BPF_SK_LOOKUP = 36;
export const BPF_XDP = 37;
export const BPF_NETFILTER = 45;
export const BPF_TCX_INGRESS = 46;
export const BPF_TCX_EGRESS = 47;

/** As the kernel sees the interface: ingress is what it receives. */
export type Direction = "ingress" | "egress";

/** The number a direction has. Throws `DatapathError` BAD_USAGE for another word: callers may not use types. */
export function numberOf(direction: Direction, numbers: Readonly<Record<Direction, number>>): number {
  if (Object.hasOwn(numbers, direction)) return numbers[direction];
  throw new DatapathError(
    "BAD_USAGE",
    "find a hook",
    `the direction must be "ingress" or "egress", not ${String(direction)}`,
  );
}
