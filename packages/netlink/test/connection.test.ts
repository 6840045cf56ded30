/** The protocol against a scripted kernel: what a real one does seldom, and never on demand. */
import { describe, expect, test } from "bun:test";
import { Errno, MSG_PEEK, SyscallError } from "@dp/sys";
import {
  ControlType,
  type Frame,
  linkMessage,
  MessageFlag,
  readFrames,
  RtnlType,
  writeFrame,
} from "../src/codec/index.ts";
import {
  Connection,
  InterruptedDumpError,
  MalformedMessageError,
  Netlink,
  NetlinkError,
  type NetlinkSocket,
} from "../src/index.ts";

const { NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_MULTI, NLM_F_DUMP_INTR } = MessageFlag;
const EAGAIN = Errno.EAGAIN;
const ENOBUFS = Errno.ENOBUFS;
const MSG_DONTWAIT = 0x40;

/** What the kernel puts in the queue on a request: datagrams, or the errno of a recv(2). */
type Answer = (Uint8Array | number)[];

/** Answers the n-th request with the n-th script. An empty queue is a timeout, as SO_RCVTIMEO makes it. */
class ScriptedKernel implements NetlinkSocket {
  readonly requests: Frame[] = [];
  readonly queue: Answer = [];
  closed = false;
  readonly #scripts: ((request: Frame) => Answer)[];
  readonly #sendErrno: number | undefined;

  constructor(scripts: ((request: Frame) => Answer)[], sendErrno?: number) {
    this.#scripts = scripts;
    this.#sendErrno = sendErrno;
  }

  send(datagram: Uint8Array, op: string): void {
    if (this.#sendErrno !== undefined) throw new SyscallError(op, "send", this.#sendErrno);
    const [request] = readFrames(datagram);
    if (request === undefined) throw new Error("an empty request");
    const script = this.#scripts[this.requests.length];
    this.requests.push({ ...request });
    this.queue.push(...(script?.(request) ?? []));
  }

  receive(buffer: Uint8Array, flags: number, op: string): number {
    const next = this.queue[0];
    if (next === undefined) throw new SyscallError(op, "recv", EAGAIN);
    if (typeof next === "number") {
      this.queue.shift();
      throw new SyscallError(op, "recv", next);
    }
    if ((flags & MSG_PEEK) === 0) this.queue.shift();
    buffer.set(next.subarray(0, buffer.byteLength));
    return next.byteLength;
  }

  close(): void {
    this.closed = true;
  }
}

function reply(request: Frame, value: number, flags = 0): Uint8Array {
  return writeFrame({ type: 16, flags, sequence: request.sequence, portId: 42, payload: Uint8Array.of(value) });
}

function end(type: number, sequence: number, errno: number, flags = 0): Uint8Array {
  const payload = new Uint8Array(type === ControlType.NLMSG_ERROR ? 20 : 4);
  new DataView(payload.buffer).setInt32(0, -errno, true);
  return writeFrame({ type, flags, sequence, portId: 42, payload });
}

function ack(request: Frame, errno = 0): Uint8Array {
  return end(ControlType.NLMSG_ERROR, request.sequence, errno);
}

function done(request: Frame, flags = 0): Uint8Array {
  return end(ControlType.NLMSG_DONE, request.sequence, 0, NLM_F_MULTI | flags);
}

function join(...datagrams: Uint8Array[]): Uint8Array {
  return Uint8Array.from(datagrams.flatMap((datagram) => [...datagram]));
}

const request = { type: 18, payload: Uint8Array.of(1, 2, 3, 4) };

function values(frames: Frame[]): number[] {
  return frames.map(({ payload }) => payload[0] as number);
}

function failure(body: () => unknown): NetlinkError {
  try {
    body();
  } catch (error) {
    expect(error).toBeInstanceOf(NetlinkError);
    return error as NetlinkError;
  }
  throw new Error("it did not fail");
}

describe("requests", () => {
  test("carry their flags and a sequence number of their own", () => {
    const kernel = new ScriptedKernel([(r) => [ack(r)], (r) => [ack(r)], (r) => [done(r)]]);
    const connection = new Connection(kernel);
    connection.change({ ...request, flags: MessageFlag.NLM_F_CREATE }, "test");
    connection.get(request, "test");
    connection.dump(request, "test");
    expect(kernel.requests.map(({ flags }) => flags)).toEqual([
      NLM_F_REQUEST | NLM_F_ACK | MessageFlag.NLM_F_CREATE,
      NLM_F_REQUEST | NLM_F_ACK,
      NLM_F_REQUEST | NLM_F_DUMP,
    ]);
    expect(new Set(kernel.requests.map(({ sequence }) => sequence)).size).toBe(3);
    expect(kernel.requests[0]?.payload).toEqual(request.payload);
  });

  test("end with their acknowledgement, whose errno becomes the error", () => {
    const kernel = new ScriptedKernel([(r) => [ack(r, 17)], (r) => [ack(r)]]);
    const connection = new Connection(kernel);
    const error = failure(() => connection.change(request, "add route 10.2.0.5/32 to dp25570"));
    expect(error.message).toBe("add route 10.2.0.5/32 to dp25570: File exists (EEXIST)");
    expect([error.errno, error.errnoName, error.kernelMessage, error.offset]).toEqual([
      17,
      "EEXIST",
      undefined,
      undefined,
    ]);
    connection.change(request, "next");
    expect(kernel.requests).toHaveLength(2);
  });

  test("return what came before the acknowledgement, in one datagram or several", () => {
    const kernel = new ScriptedKernel([
      (r) => [reply(r, 1), reply(r, 2), ack(r)],
      (r) => [join(reply(r, 3), reply(r, 4), ack(r))],
    ]);
    const connection = new Connection(kernel);
    expect(values(connection.get(request, "test"))).toEqual([1, 2]);
    expect(values(connection.get(request, "test"))).toEqual([3, 4]);
  });

  test("are described only when they fail, and the description may ask the kernel", () => {
    const kernel = new ScriptedKernel([(r) => [ack(r, 22)], (r) => [reply(r, 7), ack(r)], (r) => [ack(r)]]);
    const connection = new Connection(kernel);
    const error = failure(() =>
      connection.change(request, () => `set interface ${values(connection.get(request, "look up"))[0]}`),
    );
    expect(error.op).toBe("set interface 7");
    connection.change(request, () => {
      throw new Error("not to be called");
    });
  });

  test("skip what belongs to others, and NLMSG_NOOP", () => {
    const kernel = new ScriptedKernel([
      (r) => [
        reply({ ...r, sequence: r.sequence + 99 }, 1),
        end(ControlType.NLMSG_ERROR, r.sequence + 99, 1),
        end(ControlType.NLMSG_NOOP, r.sequence, 0),
        reply(r, 2),
        ack(r),
      ],
    ]);
    expect(values(new Connection(kernel).get(request, "test"))).toEqual([2]);
  });

  test("whose send fails throw", () => {
    const kernel = new ScriptedKernel([], Errno.EPERM);
    const error = failure(() => new Connection(kernel).change(request, "set up on dp0"));
    expect([error.op, error.errnoName, error.code]).toEqual(["set up on dp0", "EPERM", "UNSUPPORTED"]);
    expect(error.cause).toBeInstanceOf(SyscallError);
  });

  test("end in time when the kernel does not answer, and the answer that comes late is not taken for another", () => {
    let first: Frame | undefined;
    const kernel = new ScriptedKernel([
      (r) => {
        first = r;
        return [];
      },
      (r) => [reply(r, 2), ack(r)],
    ]);
    const connection = new Connection(kernel);
    const error = failure(() => connection.change(request, "test"));
    expect([error.errnoName, error.kernelMessage]).toEqual(["ETIMEDOUT", "no answer from the kernel"]);
    kernel.queue.push(reply(first as Frame, 1), ack(first as Frame, 22));
    expect(values(connection.get(request, "test"))).toEqual([2]);
  });

  test("that change something are not repeated when the answer is lost", () => {
    const kernel = new ScriptedKernel([() => [ENOBUFS]]);
    const error = failure(() => new Connection(kernel).change(request, "test"));
    expect(error.errnoName).toBe("ENOBUFS");
    expect(error.hint).toContain("may have been made");
    expect(kernel.requests).toHaveLength(1);
  });

  test("that read are repeated when the answer is lost", () => {
    const kernel = new ScriptedKernel([
      (r) => [reply(r, 1), ENOBUFS, reply(r, 2)],
      (r) => [end(ControlType.NLMSG_OVERRUN, r.sequence, 0)],
      (r) => [reply(r, 3), ack(r)],
    ]);
    expect(values(new Connection(kernel).get(request, "test"))).toEqual([3]);
  });
});

describe("datagrams", () => {
  test("longer than the buffer are received whole", () => {
    const big = new Uint8Array(100_000).fill(7);
    const kernel = new ScriptedKernel([
      (r) => [writeFrame({ type: 16, flags: 0, sequence: r.sequence, portId: 0, payload: big }), ack(r)],
    ]);
    expect(new Connection(kernel).get(request, "test")[0]?.payload).toEqual(big);
  });

  test("are kept apart: an answer stays what it was when the next is received", () => {
    const kernel = new ScriptedKernel([(r) => [reply(r, 1), ack(r)], (r) => [reply(r, 2), ack(r)]]);
    const connection = new Connection(kernel);
    const first = connection.get(request, "test");
    connection.get(request, "test");
    expect(values(first)).toEqual([1]);
  });

  test("that are malformed are the typed error, and the connection goes on after it", () => {
    const kernel = new ScriptedKernel([
      (r) => [Uint8Array.of(1, 2, 3), reply(r, 1), ack(r)],
      (r) => [reply(r, 2), ack(r)],
    ]);
    const connection = new Connection(kernel);
    expect(() => connection.get(request, "test")).toThrow(MalformedMessageError);
    expect(kernel.queue).toHaveLength(2);
    expect(values(connection.get(request, "test"))).toEqual([2]);
  });
});

describe("dumps", () => {
  test("are collected over all their parts", () => {
    const kernel = new ScriptedKernel([
      (r) => [join(reply(r, 1, NLM_F_MULTI), reply(r, 2, NLM_F_MULTI)), reply(r, 3, NLM_F_MULTI), done(r)],
    ]);
    expect(values(new Connection(kernel).dump(request, "test"))).toEqual([1, 2, 3]);
  });

  test("that were interrupted are read to the end and repeated", () => {
    const kernel = new ScriptedKernel([
      (r) => [reply(r, 1, NLM_F_MULTI | NLM_F_DUMP_INTR), reply(r, 2, NLM_F_MULTI), done(r)],
      (r) => [reply(r, 3, NLM_F_MULTI), done(r, NLM_F_DUMP_INTR)],
      (r) => [reply(r, 4, NLM_F_MULTI), reply(r, 5, NLM_F_MULTI), done(r)],
    ]);
    expect(values(new Connection(kernel).dump(request, "test"))).toEqual([4, 5]);
    expect(kernel.queue).toEqual([]);
  });

  test("that are interrupted again and again are given up, with the last two readings at hand", () => {
    const scripts = Array.from({ length: 100 }, (_, n) => (r: Frame) => [reply(r, n), done(r, NLM_F_DUMP_INTR)]);
    const kernel = new ScriptedKernel(scripts);
    const error = failure(() => new Connection(kernel).dump(request, "list interfaces"));
    expect(error.message).toBe("list interfaces: the list changed while it was read, 8 times in a row (EINTR)");
    expect(error).toBeInstanceOf(InterruptedDumpError);
    expect((error as InterruptedDumpError).readings.map((reading) => values([...reading]))).toEqual([[6], [7]]);
    expect(kernel.requests).toHaveLength(8);
  });

  test("of interfaces that always change are merged from two readings and look-ups", () => {
    const link = (r: Frame, index: number, name: string): Uint8Array => {
      const payload = linkMessage.build({ ifi_index: index }, { IFLA_IFNAME: name });
      return writeFrame({ type: RtnlType.RTM_NEWLINK, flags: 0, sequence: r.sequence, portId: 0, payload });
    };
    const scripts: ((r: Frame) => Answer)[] = Array.from({ length: 7 }, () => (r: Frame) => [
      join(link(r, 1, "lo"), link(r, 2, "gone"), link(r, 3, "skipped"), link(r, 4, "before")),
      done(r, NLM_F_DUMP_INTR),
    ]);
    scripts.push((r) => [
      join(link(r, 5, "new"), link(r, 1, "lo"), link(r, 4, "after"), link(r, 5, "new")),
      done(r, NLM_F_DUMP_INTR),
    ]);
    scripts.push((r) => [ack(r, Errno.ENODEV)]);
    scripts.push((r) => [link(r, 3, "skipped"), ack(r)]);
    const kernel = new ScriptedKernel(scripts);
    const links = new Netlink(new Connection(kernel)).links();
    expect(links.map(({ index, name }) => [index, name])).toEqual([
      [1, "lo"],
      [3, "skipped"],
      [4, "after"],
      [5, "new"],
    ]);
    expect(kernel.requests.slice(8).map(({ payload }) => linkMessage.read(payload).header.ifi_index)).toEqual([2, 3]);
  });

  test("that lost a part are repeated, after the rest was read", () => {
    const kernel = new ScriptedKernel([
      (r) => [reply(r, 1, NLM_F_MULTI), ENOBUFS, reply(r, 2, NLM_F_MULTI), ENOBUFS, done(r)],
      (r) => [reply(r, 3, NLM_F_MULTI), done(r)],
    ]);
    expect(values(new Connection(kernel).dump(request, "test"))).toEqual([3]);
  });

  test("that fail at the beginning or at the end carry the kernel's errno", () => {
    const kernel = new ScriptedKernel([
      (r) => [ack(r, 19)],
      (r) => [reply(r, 1, NLM_F_MULTI), end(ControlType.NLMSG_DONE, r.sequence, 12, NLM_F_MULTI)],
    ]);
    const connection = new Connection(kernel);
    expect(failure(() => connection.dump(request, "test")).errnoName).toBe("ENODEV");
    expect(failure(() => connection.dump(request, "test")).errnoName).toBe("ENOMEM");
  });
});

test("the rest of an incomplete exchange is read without waiting for more", () => {
  const flags: number[] = [];
  class Watched extends ScriptedKernel {
    override receive(buffer: Uint8Array, receiveFlags: number, op: string): number {
      flags.push(receiveFlags);
      return super.receive(buffer, receiveFlags, op);
    }
  }
  const kernel = new Watched([() => [], (r) => [ack(r)]]);
  const connection = new Connection(kernel);
  failure(() => connection.change(request, "test"));
  flags.length = 0;
  connection.change(request, "test");
  expect(flags).toEqual([MSG_DONTWAIT | MSG_PEEK, MSG_PEEK, 0]);
});

test("a connection closes its socket at the end of its scope", () => {
  const kernel = new ScriptedKernel([]);
  {
    using _connection = new Connection(kernel);
  }
  expect(kernel.closed).toBe(true);
});
