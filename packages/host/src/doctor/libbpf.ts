import { libbpfVersion, requireLibbpf } from "@dp/core/libbpf";
import { error, type Verdict } from "./check.ts";

const NEEDED = [1, 1] as const;

/** Throws without libbpf, or when it lacks a function. */
export function checkLibbpf(): Verdict {
  const version = libbpfVersion();
  if (!isNewEnough(version)) {
    const what = `libbpf.so.1 is libbpf ${version}: it is too old to load these programs`;
    return [error("libbpf-old", what, "install libbpf 1.1 or newer: apt-get install libbpf1")];
  }
  requireLibbpf();
  return `version ${version}`;
}

/** Whether this is version 1.1 or later. A text that is not a version counts as too old. */
export function isNewEnough(version: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined || minor === undefined) return false;
  return Number(major) > NEEDED[0] || (Number(major) === NEEDED[0] && Number(minor) >= NEEDED[1]);
}
