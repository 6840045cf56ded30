/** The probes, on a kernel that has all of it: what the rest of the tests rely on. */
import { expect, test } from "bun:test";
import { readdirSync, readlinkSync } from "node:fs";
import { verifyPrograms } from "@dp/core";
import {
  hasClsact,
  hasHelper,
  hasJit,
  hasKernelBtf,
  hasMapType,
  hasProgramType,
  hasTcx,
  libbpfVersion,
  requireLibbpf,
} from "@dp/core/libbpf";
import { requireRoot } from "@dp/test-kit/require-root.ts";

requireRoot();

test("this kernel and this libbpf have what datapath needs", () => {
  expect(libbpfVersion()).toMatch(/^1\.\d+$/);
  expect(requireLibbpf).not.toThrow();
  expect({ tcx: hasTcx(), clsact: hasClsact(), btf: hasKernelBtf(), jit: hasJit() }).toEqual({
    tcx: true,
    clsact: true,
    btf: true,
    jit: true,
  });
  for (const helper of ["redirect_neigh", "redirect_peer", "timer_init"] as const) expect(hasHelper(helper)).toBe(true);
  for (const type of ["cgroupSockAddr", "cgroupSockopt", "schedCls", "sockOps", "xdp"] as const)
    expect(hasProgramType(type)).toBe(true);
  for (const type of ["hash", "ringbuf", "perCpuArray"] as const) expect(hasMapType(type)).toBe(true);
  expect(verifyPrograms()).toEqual([]);
});

test("trying leaves nothing behind: no descriptor, no namespace", () => {
  const open = () => readdirSync("/proc/self/fd").length;
  const netns = readlinkSync("/proc/thread-self/ns/net");
  verifyPrograms();
  const before = open();
  hasJit();
  verifyPrograms();
  expect(open()).toBe(before);
  expect(readlinkSync("/proc/thread-self/ns/net")).toBe(netns);
});
