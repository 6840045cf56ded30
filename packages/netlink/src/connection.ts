import { Errno, type Fd, MSG_PEEK, SyscallError } from "@dp/sys";
import { beforeChange } from "@dp/sys/fault";
import { type Acknowledgement, readAcknowledgement } from "./codec/acknowledgement.ts";
import { ControlType, type Frame, MessageFlag, readFrames, writeFrame } from "./codec/frame.ts";
import { InterruptedDumpError, NetlinkError } from "./error.ts";
import { type NetlinkSocket, openSocket, type Protocol } from "./socket.ts";

const { NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR } = MessageFlag;

const ETIMEDOUT = 110;
const MSG_DONTWAIT = 0x40;

/** A request without the fields that the connection fills in. */
export interface Request {
  readonly type: number;
  /** NLM_F_* besides NLM_F_REQUEST, NLM_F_ACK and NLM_F_DUMP. */
  readonly flags?: number;
  readonly payload: Uint8Array;
}

/**
 * What is being done, in an operator's words: "add route 10.2.0.5/32 to dp25570". A function is called only when there
 * is an error to report; it may use the connection itself, say to look up a name.
 */
export type Describe = string | (() => string);

/** How a connection is opened. */
export interface ConnectionOptions {
  /** Which part of the kernel to talk to. Default "route". */
  protocol?: Protocol | undefined;
  /** The network namespace to work in. Default: the calling thread's. Needed only during the call. */
  netns?: Fd | undefined;
  /** How long to wait for an answer, in milliseconds. Default 10,000. */
  timeoutMs?: number | undefined;
}

/** How often a read is repeated: because the list changed meanwhile, or the kernel had no memory for the answer. */
const READ_ATTEMPTS = 8;

/** How a successful exchange ended. */
interface Outcome {
  readonly answer: Frame[];
  /** The list changed between two datagrams of the answer: entries may be missing or repeated. */
  readonly interrupted: boolean;
  /** Part of the answer is lost. */
  readonly overrun: boolean;
}

/**
 * A NETLINK_ROUTE socket and the protocol on it: sequence numbers, acknowledgements, dumps in many parts.
 *
 * Everything is synchronous, and the kernel does the work inside send(2), so a call takes microseconds. One request at
 * a time: the rest of an incomplete answer is discarded before the next request.
 */
export class Connection implements Disposable {
  readonly #socket: NetlinkSocket;
  #sequence = 0;
  #buffer = new Uint8Array(32 * 1024);
  /** The last exchange was not completed: its answers may still arrive. */
  #unsettled = false;

  /** Takes ownership of the socket. */
  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** Opens a socket. Throws `SyscallError`. */
  static open(options: ConnectionOptions = {}): Connection {
    return new Connection(
      openSocket({ protocol: options.protocol, netns: options.netns, timeoutMs: options.timeoutMs ?? 10_000 }),
    );
  }

  /**
   * Asks for a change and waits for the acknowledgement. Never sent twice. Returns the messages that came before the
   * acknowledgement, usually none.
   *
   * @throws NetlinkError
   */
  change(request: Request, describe: Describe): Frame[] {
    beforeChange(typeof describe === "string" ? describe : "netlink message", request.type);
    return this.#change([request], describe);
  }

  /**
   * Sends several messages as one, as a transaction of nftables is. Only the acknowledgement of the last is waited for;
   * an error of any ends it.
   *
   * @throws NetlinkError
   */
  changeAll(requests: readonly Request[], describe: Describe): void {
    beforeChange(typeof describe === "string" ? describe : "netlink messages", requests.length);
    this.#change(requests, describe);
  }

  #change(requests: readonly Request[], describe: Describe): Frame[] {
    const { answer, overrun } = this.#exchange(requests, NLM_F_ACK, describe);
    if (!overrun) return answer;
    throw new NetlinkError(text(describe), Errno.ENOBUFS, {
      message: "the kernel had no memory for its answer",
      hint: "the change may have been made all the same; look before repeating it",
    });
  }

  /** Asks for one thing and returns the messages of the answer. Throws `NetlinkError`. */
  get(request: Request, describe: Describe): Frame[] {
    return this.#read(request, NLM_F_ACK, describe);
  }

  /**
   * Asks for a list and returns its messages, all from one consistent reading.
   *
   * @throws InterruptedDumpError if there was none: the list changed each time it was read
   * @throws NetlinkError
   */
  dump(request: Request, describe: Describe): Frame[] {
    return this.#read(request, NLM_F_DUMP, describe);
  }

  /** Closes the socket. Throws nothing. */
  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #read(request: Request, flags: number, describe: Describe): Frame[] {
    const interrupted: Frame[][] = [];
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      const outcome = this.#exchange([request], flags, describe);
      if (outcome.overrun) continue;
      if (!outcome.interrupted) return outcome.answer;
      interrupted.push(outcome.answer);
      if (interrupted.length > 2) interrupted.shift();
    }
    if (interrupted.length > 0) throw new InterruptedDumpError(text(describe), READ_ATTEMPTS, interrupted);
    throw new NetlinkError(text(describe), Errno.ENOBUFS, { message: "the kernel had no memory for its answer" });
  }

  /**
   * Sends requests in one datagram, and collects the answer up to its end. In a batch, the flags are for the last but
   * one: the last is the end of the batch, which the kernel does not acknowledge.
   */
  #exchange(requests: readonly Request[], flags: number, describe: Describe): Outcome {
    if (this.#unsettled) this.#settle();
    this.#sequence = (this.#sequence + 1) >>> 0;
    const sequence = this.#sequence;
    const datagram = Buffer.concat(
      requests.map(({ type, flags: own, payload }, index) => {
        const asked = requests.length === 1 || index === requests.length - 2 ? flags : 0;
        return writeFrame({ type, flags: NLM_F_REQUEST | asked | (own ?? 0), sequence, portId: 0, payload });
      }),
    );

    let end: Acknowledgement;
    const answer: Frame[] = [];
    let interrupted = false;
    this.#unsettled = true;
    try {
      this.#socket.send(datagram, "send a netlink request");
      collecting: for (;;) {
        for (const frame of readFrames(this.#receive())) {
          if (frame.sequence !== sequence) continue;
          if ((frame.flags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
          if (frame.type === ControlType.NLMSG_OVERRUN) return { answer, interrupted, overrun: true };
          if (frame.type === ControlType.NLMSG_ERROR || frame.type === ControlType.NLMSG_DONE) {
            end = readAcknowledgement(frame);
            break collecting;
          }
          if (frame.type !== ControlType.NLMSG_NOOP) answer.push(frame);
        }
      }
      this.#unsettled = false;
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      if (error.errno === Errno.ENOBUFS) return { answer, interrupted, overrun: true };
      if (error.errno === Errno.EAGAIN) {
        throw new NetlinkError(text(describe), ETIMEDOUT, { message: "no answer from the kernel", cause: error });
      }
      throw new NetlinkError(text(describe), error.errno, { cause: error });
    }
    if (end.errno !== 0) throw new NetlinkError(text(describe), end.errno, end);
    return { answer, interrupted, overrun: false };
  }

  /** The next datagram, whole: its length is asked for before it is taken out of the queue. */
  #receive(flags = 0): Uint8Array {
    const op = "receive a netlink answer";
    const length = this.#socket.receive(this.#buffer, flags | MSG_PEEK, op);
    if (length > this.#buffer.byteLength) this.#buffer = new Uint8Array(length);
    const received = this.#socket.receive(this.#buffer, flags, op);
    return this.#buffer.slice(0, received);
  }

  /**
   * Discards the rest of an earlier answer. The kernel continues a dump only while it is received, and refuses another
   * one (EBUSY) until it has ended.
   */
  #settle(): void {
    for (let datagrams = 0; datagrams < 100_000; datagrams++) {
      try {
        this.#receive(MSG_DONTWAIT);
      } catch (error) {
        if (!(error instanceof SyscallError)) throw error;
        if (error.errno === Errno.EAGAIN) break;
        if (error.errno !== Errno.ENOBUFS) throw error;
      }
    }
    this.#unsettled = false;
  }
}

function text(describe: Describe): string {
  return typeof describe === "string" ? describe : describe();
}
