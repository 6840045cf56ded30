import {
  type Attachment,
  type HostConfig,
  type Objects,
  type ServerRecord,
  type Settings,
  type UnsupportedProgram,
  verifyPrograms,
} from "@dp/core";
import { type Link, Netlink } from "@dp/netlink";
import { DatapathError, UnsupportedError } from "@dp/sys";
import { type HostOptions, pinRootOf } from "../host-options.ts";
import { openLoaded } from "../pins/open.ts";

/** What the checks read of the host. Without loaded maps, or when they cannot be opened, only the interfaces. */
export class HostView implements Disposable {
  readonly options: HostOptions;
  readonly pinRoot: string;
  readonly netlink = Netlink.open();
  readonly objects: Objects | undefined;
  /** Why the maps cannot be opened, though something may be pinned. */
  readonly refusal: DatapathError | undefined;
  readonly config: HostConfig | undefined;
  readonly settings: Settings | undefined;
  readonly records: readonly ServerRecord[];
  readonly attachments: readonly Attachment[];
  /** The uplinks that dp_dnat is attached to. */
  readonly uplinks: readonly Link[];

  #unsupported: UnsupportedProgram[] | undefined;

  constructor(options: HostOptions) {
    this.options = options;
    this.pinRoot = pinRootOf(options);
    let refusal: DatapathError | undefined;
    try {
      this.objects = openLoaded(options);
    } catch (reason) {
      if (!(reason instanceof DatapathError)) throw reason;
      // A library or a privilege that is missing is a finding of its own.
      if (reason.code !== "NOT_LOADED" && !(reason instanceof UnsupportedError)) refusal = reason;
    }
    this.refusal = refusal;
    this.config = this.objects?.config.get();
    this.settings = this.objects?.settings.get();
    this.records = this.objects?.records.all() ?? [];
    this.attachments = this.objects?.attachments.all() ?? [];
    this.uplinks = this.attachments
      .filter(({ program, ifindex }) => program === "dnat" && ifindex !== 0)
      .flatMap(({ ifindex }) => this.netlink.link(ifindex) ?? []);
  }

  /** The programs that this kernel lacks a feature for. Asked once: the kernel verifies every program for it. */
  get unsupported(): readonly UnsupportedProgram[] {
    return (this.#unsupported ??= verifyPrograms());
  }

  [Symbol.dispose](): void {
    this.objects?.close();
    this.netlink.close();
  }
}
