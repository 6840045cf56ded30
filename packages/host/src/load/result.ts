import type { HostConfig, MechanismName, Settings } from "@dp/core";
import type { Finding } from "../repair/finding.ts";

/** An interface that players' packets arrive by. */
export interface UplinkInfo {
  name: string;
  ifindex: number;
  mac: string;
}

/** What is loaded now. Contains only JSON values. */
export interface LoadResult extends HostConfig, Omit<Settings, "uplink"> {
  /** Whether something was loaded there before. */
  upgraded: boolean;
  pinRoot: string;
  /** How programs are attached to interfaces. */
  mechanism: MechanismName;
  uplinks: UplinkInfo[];
  /** The cgroup2 folder whose processes learn the original destinations of redirected connections. */
  cgroup: string;
  /** The number of servers. */
  servers: number;
  /** The loaded programs, each with its id in the kernel; equal tags are equal code. */
  programs: { name: string; id: number; tag: string }[];
  /** The maps that got another layout or size, with their contents. */
  migrated: string[];
  /** What was repaired. */
  repaired: Finding[];
  /** What could not be repaired: the `fix` of each says what to do. */
  remaining: Finding[];
}
