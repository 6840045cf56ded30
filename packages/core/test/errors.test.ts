import { describe, expect, test } from "bun:test";
import { DatapathError, SyscallError } from "@dp/sys";
import { callError, check, LibbpfError, type LibbpfMessages } from "../src/libbpf/errors.ts";
import { VerifierError, verifierSummary } from "../src/libbpf/verifier-error.ts";

describe("return codes", () => {
  test("a result that is not negative is returned", () => {
    expect(check(0, { op: "x", call: "y" })).toBe(0);
    expect(check(7, { op: "x", call: "y" })).toBe(7);
  });

  test("an errno becomes a SyscallError that names call and target", () => {
    const error = callError(-2, { op: "open the pinned map /a", call: "bpf_obj_get", target: "/a" }) as SyscallError;
    expect(error).toBeInstanceOf(SyscallError);
    expect(error).toMatchObject({
      errno: 2,
      errnoName: "ENOENT",
      syscall: "bpf_obj_get",
      target: "/a",
      code: "FAILED",
    });
    expect(error.message).toBe("open the pinned map /a: No such file or directory (bpf_obj_get /a: ENOENT)");
  });

  test("missing privileges are UNSUPPORTED, with a hint, and without libbpf's guesses", () => {
    const messages = ["Couldn't load trivial BPF program. Make sure RLIMIT_MEMLOCK is set to big enough value."];
    const error = callError(-1, { op: "load", call: "bpf_object__load", messages });
    expect(error.code).toBe("UNSUPPORTED");
    expect(error.hint).toContain("run as root");
    expect(error.message).toBe("load: Operation not permitted (bpf_object__load: EPERM)");
    expect((error.cause as LibbpfMessages).messages).toEqual(messages);
  });

  test("libbpf's first message is the reason, all of them are the cause", () => {
    const messages = ["map 'a': failed to create: Invalid argument(-22)", "failed to load object 'b'"];
    const error = callError(-22, { op: "load b", call: "bpf_object__load", messages });
    expect(error.reason).toBe(
      "Invalid argument: map 'a': failed to create: Invalid argument(-22) (bpf_object__load: EINVAL)",
    );
    expect((error.cause as LibbpfMessages).messages).toEqual(messages);
  });

  test("libbpf's own numbers have names and texts", () => {
    const error = callError(-4001, { op: "open x", call: "bpf_object__open_mem" }) as LibbpfError;
    expect(error).toBeInstanceOf(LibbpfError);
    expect(error).toBeInstanceOf(DatapathError);
    expect(error.errnoName).toBe("LIBBPF_ERRNO__FORMAT");
    expect(error.message).toBe("open x: it is not a BPF object file (bpf_object__open_mem: LIBBPF_ERRNO__FORMAT)");
    for (let errno = 4000; errno <= 4013; errno++) {
      expect(callError(-errno, { op: "x", call: "y" }).message).toMatch(/LIBBPF_ERRNO__[A-Z0-9]+\)$/);
    }
  });

  test("unknown numbers are named by their value", () => {
    expect(callError(-4099, { op: "x", call: "y" }).message).toBe("x: unknown error (y: libbpf error 4099)");
    expect(callError(-524, { op: "x", call: "y" }).message).toBe(
      "x: Operation not supported by this kernel (y: ENOTSUPP)",
    );
  });
});

describe("verifier logs", () => {
  const LOG = [
    "0: R1=ctx() R10=fp0",
    "1: (71) r0 = *(u8 *)(r1 +100)",
    "invalid access to packet, off=100 size=1, R1(id=0,off=100,r=0)",
    "R1 offset is outside of the packet",
    "processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0",
    "",
  ].join("\n");

  test("the summary is the last line before the statistics", () => {
    expect(verifierSummary(LOG)).toBe("R1 offset is outside of the packet");
  });

  test("a log of statistics only has none: the verifier did not refuse", () => {
    expect(verifierSummary("")).toBeUndefined();
    expect(
      verifierSummary("processed 0 insns (limit 1000000)\nverification time 9 usec\nstack depth 0\n"),
    ).toBeUndefined();
  });

  test("the error names the program and keeps the log", () => {
    const error = new VerifierError("load BPF object x", "bad", LOG);
    expect(error.message).toBe(
      "load BPF object x: the kernel's verifier refuses bad: R1 offset is outside of the packet",
    );
    expect(error).toMatchObject({ code: "FAILED", program: "bad", log: LOG });
  });

  test("a missing helper is UNSUPPORTED", () => {
    const log = "4: (85) call unknown#250\nunknown func bpf_new_thing#250\nprocessed 5 insns (limit 1000000)\n";
    expect(new VerifierError("load", "p", log)).toMatchObject({
      code: "UNSUPPORTED",
      hint: "the program needs a newer kernel",
    });
  });
});
