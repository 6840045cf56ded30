/**
 * The file descriptors that this process has open, to find those that a test left behind. The runtime opens and closes
 * others at any time (pipes, event queues, sockets to child processes), so each function leaves those out.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { getSocketOption } from "@dp/sys";

/** Number and target of every descriptor: "12", "socket:[4711]". */
function descriptors(): (readonly [number: string, target: string])[] {
  return readdirSync("/proc/self/fd").flatMap((number) => {
    try {
      return [[number, readlinkSync(`/proc/self/fd/${number}`)] as const];
    } catch {
      // It is closed: the descriptor of this listing itself, for one.
      return [];
    }
  });
}

/** Descriptors of BPF programs, maps, links and BTF, of network namespaces and of cgroups. */
export function openBpfDescriptors(): string[] {
  return descriptors()
    .filter(([, target]) => /bpf|btf|^net:|cgroup/.test(target))
    .map(([number, target]) => `${number} ${target}`);
}

/** Descriptors of netlink sockets and of network namespaces. */
export function openNetlinkDescriptors(): string[] {
  return descriptors()
    .filter(([number, target]) => {
      return target.startsWith("net:") || (target.startsWith("socket:") && isNetlinkSocket(Number(number)));
    })
    .map(([, target]) => target);
}

function isNetlinkSocket(fd: number): boolean {
  const SOL_SOCKET = 1;
  const SO_DOMAIN = 39;
  const AF_NETLINK = 16;
  const domain = new Uint32Array(1);
  getSocketOption(fd, SOL_SOCKET, SO_DOMAIN, new Uint8Array(domain.buffer));
  return domain[0] === AF_NETLINK;
}

/** All descriptors but the runtime's own: pipes, devices, event queues and Unix sockets. */
export function openDescriptors(): string[] {
  const unix = readFileSync("/proc/thread-self/net/unix", "latin1");
  return descriptors()
    .filter(([, target]) => {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(target) ?? [];
      if (inode !== undefined && new RegExp(` ${inode}( |$)`, "m").test(unix)) return false;
      return !/^(pipe:|\/dev\/|\/memfd:|anon_inode:\[)/.test(target);
    })
    .map(([number, target]) => `${number}: ${target}`);
}
