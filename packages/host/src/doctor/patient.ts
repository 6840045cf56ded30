import type { Attachment, HostConfig, Objects, ServerRecord } from "@dp/core";
import { type Link, Netlink } from "@dp/netlink";
import { DatapathError, UnsupportedError } from "@dp/sys";
import { type HostOptions, pinRootOf } from "../host-options.ts";
import { openLoaded } from "../pins/open.ts";

/** The host that is looked at. What is loaded is left out as far as nothing is, or cannot be opened. */
export class Patient implements Disposable {
  readonly options: HostOptions;
  readonly pinRoot: string;
  readonly netlink = Netlink.open();
  readonly objects: Objects | undefined;
  /** Why it cannot be opened, where something is pinned, or nobody can tell. */
  readonly refusal: DatapathError | undefined;
  readonly config: HostConfig | undefined;
  readonly records: readonly ServerRecord[];
  readonly attachments: readonly Attachment[];
  /** Those that are attached. */
  readonly uplinks: readonly Link[];

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
    this.config = this.objects?.config();
    this.records = this.objects?.netData() ?? [];
    this.attachments = this.objects?.attachments() ?? [];
    this.uplinks = this.attachments
      .filter(({ program, ifindex }) => program === "dnat" && ifindex !== 0)
      .flatMap(({ ifindex }) => this.netlink.link(ifindex) ?? []);
  }

  [Symbol.dispose](): void {
    this.objects?.close();
    this.netlink.close();
  }
}
