import { Fd } from "@dp/sys";
import { libbpf } from "../ffi/libbpf.ts";
import { NativeStruct } from "../ffi/native-struct.ts";
import { check } from "./errors.ts";
import { PROGRAM_INFO, readInfo, textField } from "./info.ts";
import type { BpfMap } from "./map.ts";
import { openPin, pin, pinnedKind, requirePin } from "./pin.ts";
import { Resource } from "./resource.ts";
import { testRun, type TestRunOptions, type TestRunResult } from "./test-run.ts";

/** The kernel's description of a program. */
export interface ProgramInfo {
  /** The kernel's number of this program, unique while it is loaded. */
  id: number;
  /** enum bpf_prog_type: 3 is BPF_PROG_TYPE_SCHED_CLS. */
  type: number;
  /** Cut at 15 characters by the kernel. */
  name: string;
  /** SHA of the instructions, 16 hex digits: equal for equal code. */
  tag: string;
  /** Ids of the maps it uses. */
  mapIds: number[];
  /** Nanoseconds from boot to its loading. */
  loadTime: bigint;
  /** How many instructions the verifier went through before it approved it; 0 from kernels before 5.16. */
  verifiedInstructions: number;
}

/**
 * A loaded BPF program. What the kernel refuses is a `SyscallError`; a program that was closed throws when it is used.
 */
export class Program extends Resource {
  /** Its name: in full from an object, cut at 15 characters from the kernel. */
  readonly name: string;

  /** Takes ownership of `fd` unless borrowed. Internal: use {@link BpfObject.program}, fromPin or fromId. */
  constructor(fd: Fd, name?: string, borrowed = false) {
    super(fd, borrowed);
    this.name = name ?? this.info().name;
  }

  /** Opens a pinned program. Throws `SyscallError` ENOENT when nothing is pinned there. */
  static fromPin(path: string): Program {
    return owned(requirePin(path, "program"));
  }

  /** Opens a pinned program; undefined when no program is pinned there. */
  static findPin(path: string): Program | undefined {
    if (pinnedKind(path) !== "program") return undefined;
    const fd = openPin(path, "program");
    return fd === undefined ? undefined : owned(fd);
  }

  /** Opens a loaded program by its id. Throws `SyscallError` ENOENT when there is none. */
  static fromId(id: number): Program {
    const op = `open program ${id}`;
    return owned(new Fd(check(libbpf.programFdById(id), { op, call: "bpf_prog_get_fd_by_id" })));
  }

  /** What the kernel knows of it (BPF_OBJ_GET_INFO_BY_FD). */
  info(): ProgramInfo {
    const op = "read a program's info";
    using head = new NativeStruct(PROGRAM_INFO);
    readInfo(this.fd, head, op);
    // The kernel fills in as many ids as there is room for, so their number is read first.
    const count = head.get("nr_map_ids");
    const ids = new Uint32Array(count);
    if (count > 0) {
      using again = new NativeStruct(PROGRAM_INFO, { nr_map_ids: count, map_ids: new Uint8Array(ids.buffer) });
      readInfo(this.fd, again, op);
    }
    return {
      id: head.get("id"),
      type: head.get("type"),
      name: textField(head.get("name")),
      tag: Array.from(head.get("tag"), (byte) => byte.toString(16).padStart(2, "0")).join(""),
      mapIds: [...ids],
      loadTime: head.get("load_time"),
      verifiedInstructions: head.get("verified_insns"),
    };
  }

  /** The kernel's number of this program. Throws `SyscallError`. */
  get id(): number {
    return this.info().id;
  }

  /** SHA of its instructions: equal for equal code. Throws `SyscallError`. */
  get tag(): string {
    return this.info().tag;
  }

  /** Pins it at `path` on a bpffs. Throws `SyscallError`: EEXIST when the path is taken. */
  pin(path: string): void {
    pin(this.fd, path);
  }

  /**
   * Binds a map that its code does not use (BPF_PROG_BIND_MAP, Linux 5.10): the map then lives as long as the program
   * and is among its `mapIds`.
   */
  bindMap<K, V>(map: BpfMap<K, V>): void {
    const result = libbpf.programBindMap(this.fd, map.fd, null);
    check(result, { op: `bind map ${map.name} to ${this.name}`, call: "bpf_prog_bind_map" });
  }

  /** Runs it on a packet, without any interface (BPF_PROG_TEST_RUN). */
  testRun(options: TestRunOptions): TestRunResult {
    return testRun(this.fd, this.name, options);
  }
}

function owned(fd: Fd): Program {
  try {
    return new Program(fd);
  } catch (error) {
    fd.close();
    throw error;
  }
}
