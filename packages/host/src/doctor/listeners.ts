/** The listeners that containers' connections are redirected to. */
import { readFileSync } from "node:fs";
import type { HostConfig } from "@dp/core";
import { commandOf } from "@dp/sys";
import { ipv4Subnets, positionIn } from "../allocate/subnet.ts";
import { cgroupFolder, cgroupFolderById, cgroupOfProcess } from "../kernel/cgroup.ts";
import { socketHolders } from "../kernel/socket-holder.ts";
import { parseProcNetTcp } from "../kernel/sockets.ts";
import type { Finding } from "../repair/finding.ts";
import { error, listed, type Verdict, warning } from "./check.ts";
import type { HostView } from "./host-view.ts";

/** A listening TCP socket, or an unconnected UDP socket. */
export interface Listener {
  protocol: "TCP" | "UDP";
  address: string;
  port: number;
  /** The user who made it. */
  uid: number;
  inode: string;
}

const FIX = "run dp proxy (examples/systemd/datapath-proxy.service), or another transparent proxy on these ports";

export function checkListeners(view: HostView): Verdict {
  const { config } = view;
  if (config === undefined) return "nothing is loaded";
  const { reached, verdict } = judgeListeners(readListeners(), config);
  const outside = [...findOutside(view, reached), ...findOfUsers(reached)];
  if (typeof verdict === "string") return outside.length > 0 ? outside : verdict;
  return [...verdict, ...outside];
}

/** The listeners of the calling thread's network namespace. */
function readListeners(): Listener[] {
  const rows = (file: string) => {
    try {
      // The rows of udp are like those of tcp.
      return parseProcNetTcp(readFileSync(`/proc/thread-self/net/${file}`, "latin1"));
    } catch {
      // A kernel without IPv6.
      return [];
    }
  };
  const tcp = ["tcp", "tcp6"].flatMap(rows).filter(({ state }) => state === "listen");
  const of =
    (protocol: Listener["protocol"]) =>
    ({ address, port, uid, inode }: Omit<Listener, "protocol">) => {
      return { protocol, address, port, uid, inode };
    };
  return [...tcp.map(of("TCP")), ...["udp", "udp6"].flatMap(rows).map(of("UDP"))];
}

/** @returns also the listeners that containers reach */
export function judgeListeners(
  listeners: readonly Listener[],
  config: Omit<HostConfig, "containerSubnets">,
): { verdict: Verdict; reached: Listener[] } {
  const hostPeers = ipv4Subnets({ ...config, containerSubnets: {} }).host;
  const reaches = ({ address }: Listener) =>
    address === "0.0.0.0" || /^0{32}$/.test(address) || positionIn(hostPeers, address) !== undefined;
  const wanted = [
    ["TCP", config.httpPort, "HTTP"],
    ["TCP", config.dnsPort, "DNS"],
    ["UDP", config.dnsPort, "DNS"],
    ["TCP", config.tcpPort, "all other TCP"],
  ] as const;
  const reached: Listener[] = [];
  const missing: string[] = [];
  const elsewhere: string[] = [];
  for (const [protocol, port, what] of wanted) {
    const there = listeners.filter((each) => each.protocol === protocol && each.port === port);
    const right = there.filter(reaches);
    reached.push(...right);
    if (right.length > 0) continue;
    missing.push(`${protocol} ${port} (${what})`);
    elsewhere.push(...there.map(({ address }) => `${address}:${port}`));
  }
  if (missing.length === 0) return { verdict: "a process listens on each of its ports", reached };
  const only = elsewhere.length === 0 ? "" : `; containers do not reach ${listed(elsewhere)}`;
  const what = `no process listens on ${listed(missing)}: what containers open there is refused${only}`;
  return { verdict: [warning("proxy-not-listening", what, FIX)], reached };
}

/**
 * While no proxy runs, any user can listen on its ports, and gets what containers send. A proxy that runs as a user of
 * its own is told too: the operator knows which it is.
 */
export function findOfUsers(reached: readonly Listener[]): Finding[] {
  return [...new Set(reached.map(({ uid }) => uid))].flatMap((uid) => {
    if (uid === 0) return [];
    const ports = reached.filter((each) => each.uid === uid).map(({ protocol, port }) => `${protocol} ${port}`);
    const what = `the user with the id ${uid} listens on ${listed(ports)}, and receives what containers open`;
    const fix =
      "unless that is the proxy you run: end the process, and keep dp proxy running (systemd: Restart=always)";
    return [warning("listener-of-user", what, fix)];
  });
}

/** A proxy outside the cgroup gets the connections, but SO_ORIGINAL_DST does not tell it their destinations. */
function findOutside({ objects }: HostView, reached: readonly Listener[]): Finding[] {
  const attached = objects?.attachments
    .onCgroup()
    .find(({ program, cgroupId }) => program === "getsockopt" && cgroupId !== 0n);
  const folder = attached === undefined ? undefined : cgroupFolderById(attached.cgroupId);
  const tcp = reached.filter(({ protocol }) => protocol === "TCP");
  if (folder === undefined || tcp.length === 0) return [];
  return socketHolders([...new Set(tcp.map(({ inode }) => inode))]).flatMap((pid) => {
    const cgroup = cgroupOfProcess(pid);
    const own = cgroup === undefined ? folder : cgroupFolder(cgroup);
    if (own === folder || own.startsWith(`${folder}/`)) return [];
    const what =
      `process ${pid} (${commandOf(pid)}) listens for containers' connections outside the cgroup ${folder}: ` +
      "SO_ORIGINAL_DST does not tell it their destinations";
    const fix = "start it in that cgroup, or attach to all cgroups: dp load --cgroup with the cgroup2 mount";
    return [error("proxy-outside-cgroup", what, fix)];
  });
}
