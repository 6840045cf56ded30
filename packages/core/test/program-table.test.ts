/** The program table agrees with the object files. */
import { describe, expect, test } from "bun:test";
import { mapLayouts, type ObjectName, objects } from "@dp/bpf";
import { Errno, SyscallError, UnsupportedError } from "@dp/sys";
import { BpfObject } from "../src/libbpf/index.ts";
import {
  CONTROL_OBJECT,
  functionName,
  INTERFACE_PROGRAMS,
  PROGRAM_TABLE,
  programRow,
  type ProgramRow,
  programsAt,
} from "../src/objects/programs/program-table.ts";
import { explainRefusal } from "../src/objects/programs/unsupported-program.ts";

const ROWS: readonly ProgramRow[] = PROGRAM_TABLE;
const OBJECTS = Object.keys(objects) as ObjectName[];

/** `NAME SECTION` of each program in an object file. */
function programsIn(name: ObjectName): string[] {
  using open = BpfObject.open(objects[name](), { name });
  return open.programs().map((program) => `${program.name} ${program.section}`);
}

function sectionOf(row: ProgramRow): string {
  switch (row.hook) {
    case "tc":
    case "run":
      return "tc";
    case "cgroup":
      return (
        { sockOps: "sockops", getsockopt: "cgroup/getsockopt" }[row.attachType as string] ?? connectSection(row.name)
      );
    case "netfilter":
    case "sk_lookup":
      return row.hook;
    case "iterator":
      return `iter/${row.name.slice("destroy_".length)}`;
  }
}

function connectSection(name: string): string {
  return `cgroup/${name.slice("block_".length)}`;
}

describe("the program table", () => {
  test.each(OBJECTS)("has the programs of the object %s, each for the hook it is made for", (object) => {
    const rows = ROWS.filter((row) => row.object === object);
    const expected = rows.map((row) => `${functionName(row.name)} ${sectionOf(row)}`);
    expect(programsIn(object).toSorted()).toEqual(expected.toSorted());
    if (object === CONTROL_OBJECT) expect(expected).toEqual([]);
  });

  test("has each name once", () => {
    const names = ROWS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  test("gives the programs of one place and direction different orders, counted from 1", () => {
    for (const place of ["uplink", "host peer", "container peer"] as const) {
      for (const direction of ["ingress", "egress"] as const) {
        const orders = programsAt(place)
          .filter((row) => row.direction === direction)
          .map(({ order }) => order);
        expect(orders).toEqual(orders.map((_, index) => index + 1));
      }
    }
  });

  test("names no program on interfaces so that the pin of another program could be taken for its own", () => {
    for (const { name } of INTERFACE_PROGRAMS) {
      const longer = ROWS.filter((row) => row.name.startsWith(`${name}_`));
      expect(longer).toEqual([]);
    }
  });

  test("names programs on interfaces, and the layout maps, so that 15 characters tell them apart: what the kernel keeps", () => {
    for (const names of [INTERFACE_PROGRAMS.map(({ name }) => functionName(name)), Object.keys(mapLayouts)]) {
      const cut = names.map((name) => name.slice(0, 15));
      expect([...new Set(cut)]).toEqual(cut);
    }
  });
});

describe("a program that the kernel cannot load", () => {
  const failure = (errno: number) => new SyscallError("load", "bpf", errno);

  test("for want of its feature is unsupported, with what follows from that", () => {
    const error = explainRefusal(failure(Errno.EINVAL), [programRow("guard")]);
    expect(error).toBeInstanceOf(UnsupportedError);
    expect(error).toMatchObject({ feature: "BPF programs in netfilter", fix: "boot Linux 6.4 or newer" });
    expect((error as UnsupportedError).reason).toStartWith("this kernel has no BPF programs in netfilter: a process");
  });

  test("for any other reason, or that needs nothing, is the error it was", () => {
    const full = failure(Errno.ENOMEM);
    expect(explainRefusal(full, [programRow("guard")])).toBe(full);
    const invalid = failure(Errno.EINVAL);
    expect(explainRefusal(invalid, [programRow("snat")])).toBe(invalid);
    expect(explainRefusal(invalid, [programRow("destroy_tcp")])).toBe(invalid);
  });
});
