import { statSync } from "node:fs";
import { dirname } from "node:path";
import { type HostConfig, type Objects, openPinned } from "@dp/core";
import { DatapathError, Errno, SyscallError, UnsupportedError } from "@dp/sys";
import { during } from "./during.ts";
import { type HostOptions, pinRootOf } from "./host-options.ts";
import { cgroupFolder, cgroupFolderById, cgroupOfProcess } from "./kernel/cgroup.ts";
import { openLoaded } from "./pins/open.ts";

/** A server, as the proxy's log names it. */
export interface KnownServer {
  name: string;
  /** The host port players connect to. */
  port: number;
}

/** The ports a transparent proxy has to listen on. */
export type ProxyPorts = Pick<HostConfig, "httpPort" | "dnsPort" | "tcpPort">;

/** At most this often, in milliseconds, are the pins opened again for an address without a server. */
const REOPEN_MS = 1000;

/** Nothing is loaded at the moment; or a newer build's, of maps this one cannot read. */
const NOT_READABLE = new Set<string>(["NOT_LOADED", "CONFLICT"]);

/**
 * What a transparent proxy asks for every connection: which server is at this address? Answered by the kernel's own
 * maps, so a server that was added a moment ago is known, and one that was removed is not; with one look-up. It
 * takes no lock, and goes on when the datapath is unloaded and loaded again.
 * An address that cannot be looked up has no server. It throws only `BAD_USAGE`, for a text that is not an IPv4
 * address.
 */
export class ServerDirectory implements Disposable {
  readonly #op: string;
  readonly #pinRoot: string;
  #objects: Objects;
  #openedAt = performance.now();

  /**
   * Opens what is loaded. That takes no more than permission to read and write the pins: root has it, and who has
   * CAP_DAC_OVERRIDE.
   *
   * @throws DatapathError `NOT_LOADED`, `UNSUPPORTED` without that permission
   */
  static open(options: HostOptions = {}, op = "look servers up"): ServerDirectory {
    const pinRoot = pinRootOf(options);
    try {
      return new ServerDirectory(
        op,
        pinRoot,
        during(op, () => openLoaded(options)),
      );
    } catch (error) {
      throw isDenied(error) ? denied(op, pinRoot, error) : error;
    }
  }

  private constructor(op: string, pinRoot: string, objects: Objects) {
    this.#op = op;
    this.#pinRoot = pinRoot;
    this.#objects = objects;
  }

  /** Where connections are redirected to now. Throws `DatapathError` `NOT_LOADED` when a first load did not finish. */
  proxyPorts(): ProxyPorts {
    this.#reopenIfReplaced();
    const config = this.#objects.config();
    if (config === undefined) throw this.#unfinished();
    return { httpPort: config.httpPort, dnsPort: config.dnsPort, tcpPort: config.tcpPort };
  }

  /** The server whose container has this address. */
  find(containerAddress: string): KnownServer | undefined {
    return this.#lookUp(containerAddress) ?? (this.#reopenIfReplaced() ? this.#lookUp(containerAddress) : undefined);
  }

  /** Whether a container of some server has this address. One look-up, and nothing is opened anew for it. */
  isContainer(address: string): boolean {
    return this.#objects.getVethPairEntry(address) !== undefined;
  }

  /**
   * Throws `DatapathError` `FAILED` when this process is outside of the cgroup that `load` was given: then it would not
   * learn where connections were going; `NOT_LOADED` when a first load did not finish.
   */
  requireOwnCgroup(): void {
    const op = this.#op;
    const attached = this.#objects.cgroupAttachments().find(({ program }) => program === "getsockopt");
    if (attached === undefined) throw this.#unfinished();
    const own = cgroupOfProcess(process.pid);
    if (own === undefined) return;
    const folder = cgroupFolderById(attached.cgroupId);
    if (folder === undefined) {
      throw new DatapathError("FAILED", op, "the cgroup that `dp load` attached to is gone", {
        hint: "run `dp load` again",
      });
    }
    const ownFolder = during(op, () => cgroupFolder(own));
    for (let each = ownFolder; each !== dirname(each); each = dirname(each)) {
      if (statSync(each, { bigint: true, throwIfNoEntry: false })?.ino === attached.cgroupId) return;
    }
    throw new DatapathError(
      "FAILED",
      op,
      `this process is in the cgroup ${own}, the datapath is attached to ${folder}`,
      {
        hint: "start it in that cgroup, or let the datapath have all of them: dp load --cgroup with the cgroup2 mount",
      },
    );
  }

  #unfinished(): DatapathError {
    return new DatapathError("NOT_LOADED", this.#op, "the last load, or unload, did not finish", {
      hint: "run `dp load` again",
    });
  }

  #lookUp(address: string): KnownServer | undefined {
    const record = this.#objects.getNetData(address);
    return record === undefined ? undefined : { name: record.name, port: record.hostPort };
  }

  /** True when other pins were opened. Where there are none to read, the old ones stay: they know whom they knew. */
  #reopenIfReplaced(): boolean {
    const now = performance.now();
    if (now - this.#openedAt < REOPEN_MS) return false;
    this.#openedAt = now;
    let reopened: Objects;
    try {
      reopened = openPinned({ pinRoot: this.#pinRoot });
    } catch (error) {
      if (error instanceof DatapathError && NOT_READABLE.has(error.code)) return false;
      throw error;
    }
    this.#objects.close();
    this.#objects = reopened;
    return true;
  }

  [Symbol.dispose](): void {
    this.#objects.close();
  }
}

function isDenied(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each instanceof SyscallError && (each.errno === Errno.EACCES || each.errno === Errno.EPERM)) return true;
  }
  return false;
}

function denied(op: string, pinRoot: string, cause: unknown): UnsupportedError {
  return new UnsupportedError("permission", "run it as root, or with CAP_DAC_OVERRIDE as the only capability", {
    op,
    reason: `what is pinned under ${pinRoot} may not be read and written`,
    cause,
  });
}
