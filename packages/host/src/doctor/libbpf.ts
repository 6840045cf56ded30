import { libbpfVersion, requireLibbpf } from "@dp/core/libbpf";
import { error, type Verdict } from "./check.ts";

const NEEDED = [1, 1] as const;

/** Throws when there is none, or one that lacks a function. */
export function checkLibbpf(): Verdict {
  const version = libbpfVersion();
  if (!isNewEnough(version)) {
    const what = `libbpf.so.1 is libbpf ${version}: it does not load these programs`;
    return [error("libbpf-old", what, "install libbpf 1.1 or newer: apt-get install libbpf1")];
  }
  requireLibbpf();
  return `version ${version}`;
}

/** "1.1" or more. What is no version is too old. */
export function isNewEnough(version: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined || minor === undefined) return false;
  return Number(major) > NEEDED[0] || (Number(major) === NEEDED[0] && Number(minor) >= NEEDED[1]);
}
