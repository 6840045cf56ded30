import { statSync } from "node:fs";
import { dirname } from "node:path";
import { type Objects, openPinned } from "@dp/core";
import { DatapathError, Errno, SyscallError, UnsupportedError } from "@dp/sys";
import { during } from "./during.ts";
import { type HostOptions, pinnedOptions, pinRootOf } from "./host-options.ts";
import { cgroupFolder, cgroupFolderById, cgroupOfProcess } from "./kernel/cgroup.ts";
import { openLoaded } from "./pins/open.ts";

/** A server, as the proxy's log names it. */
export interface KnownServer {
  id: number;
  name: string;
}

/** The ports that a transparent proxy has to listen on: `dns` for TCP and UDP. */
export interface ProxyPorts {
  http: number;
  dns: number;
  tcp: number;
}

/** At most this often, in milliseconds, are the pins opened again for an address without a server. */
const REOPEN_MS = 1000;

/** Nothing is loaded at the moment, or another build's maps that this build cannot read. */
const NOT_READABLE = new Set<string>(["NOT_LOADED", "CONFLICT"]);

/**
 * Tells a transparent proxy which server has a container address. It reads the kernel's own maps, so a server that was
 * added a moment ago is known, and one that was removed is not. It takes no lock, and goes on when the datapath is
 * unloaded and loaded again. A text that is no address throws `DatapathError` BAD_USAGE.
 */
export class ServerDirectory implements Disposable {
  readonly #op: string;
  readonly #options: HostOptions;
  #objects: Objects;
  #openedAt = performance.now();

  /**
   * Opens what is loaded. That needs permission to read and write the pins: root has it, and a process with
   * CAP_DAC_OVERRIDE.
   *
   * @throws DatapathError `NOT_LOADED`, `UNSUPPORTED` without that permission
   */
  static open(options: HostOptions = {}, op = "look servers up"): ServerDirectory {
    const pinRoot = pinRootOf(options);
    try {
      return new ServerDirectory(
        op,
        options,
        during(op, () => openLoaded(options)),
      );
    } catch (error) {
      throw isDenied(error) ? denied(op, pinRoot, error) : error;
    }
  }

  private constructor(op: string, options: HostOptions, objects: Objects) {
    this.#op = op;
    this.#options = options;
    this.#objects = objects;
  }

  /** Where connections are redirected to now. Throws `DatapathError` `NOT_LOADED` when a first load did not finish. */
  proxyPorts(): ProxyPorts {
    this.#reopenIfReplaced();
    const config = this.#objects.config.get();
    if (config === undefined) throw this.#unfinished();
    return { http: config.httpPort, dns: config.dnsPort, tcp: config.tcpPort };
  }

  /** The server whose container has this address. */
  find(containerAddress: string): KnownServer | undefined {
    return this.#lookUp(containerAddress) ?? (this.#reopenIfReplaced() ? this.#lookUp(containerAddress) : undefined);
  }

  /** Whether the container of a server has this address. One look-up; no pins are opened again for it. */
  isContainer(address: string): boolean {
    return this.#objects.containers.get(address) !== undefined;
  }

  /**
   * Throws `DatapathError` `FAILED` when this process is outside of the cgroup that `load` was given: then it would not
   * learn the original destinations; `NOT_LOADED` when a first load did not finish.
   */
  requireOwnCgroup(): void {
    const op = this.#op;
    const attached = this.#objects.attachments.onCgroup().find(({ program }) => program === "getsockopt");
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
        hint: "start it in that cgroup, or attach to all cgroups: dp load --cgroup with the cgroup2 mount",
      },
    );
  }

  #unfinished(): DatapathError {
    return new DatapathError("NOT_LOADED", this.#op, "the last load, or unload, did not finish", {
      hint: "run `dp load` again",
    });
  }

  #lookUp(address: string): KnownServer | undefined {
    const entry = this.#objects.containers.get(address);
    const record = entry === undefined ? undefined : this.#objects.records.get(entry.server);
    return record === undefined ? undefined : { id: record.id, name: record.name };
  }

  /** True when the pins were opened again. Without readable pins, the maps that are open stay in use. */
  #reopenIfReplaced(): boolean {
    const now = performance.now();
    if (now - this.#openedAt < REOPEN_MS) return false;
    this.#openedAt = now;
    let reopened: Objects;
    try {
      reopened = openPinned(pinnedOptions(this.#options));
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
    reason: `no permission to read and write the pins under ${pinRoot}`,
    cause,
  });
}
