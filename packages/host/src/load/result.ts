import type { Finding } from "../repair/finding.ts";

/** An interface to the internet. */
export interface UplinkInfo {
  name: string;
  ifindex: number;
  mac: string;
}

/** What is loaded now. All of it can be written as JSON. */
export interface LoadResult {
  /** Whether something was loaded there before. */
  upgraded: boolean;
  pinRoot: string;
  /** How programs are attached on this kernel. */
  mechanism: "tcx" | "clsact";
  uplinks: UplinkInfo[];
  /** What servers get unless they are given another. */
  publicAddress: string;
  hostSubnet: string;
  containerSubnet: string;
  portRange: [first: number, last: number];
  httpPort: number;
  dnsPort: number;
  tcpPort: number;
  /** The cgroup2 folder whose processes learn where redirected connections were going. */
  cgroup: string;
  /** How many there are. */
  servers: number;
  /** What is attached now, with the kernel's number of it; equal tags are equal code. */
  programs: { name: string; id: number; tag: string }[];
  /** The maps that got another layout or size, with what was in them. */
  migrated: string[];
  /** What servers that are alive lacked, and were given back. */
  mended: Finding[];
  /** What is wrong still: each says who can put it right. */
  remaining: Finding[];
}
