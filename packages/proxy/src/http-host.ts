/** Logged for a request without a host, or with an invalid one. */
export const NO_HOST = "-";

/** The bytes of a request head that are read. Servers commonly refuse longer heads. */
const MAX_HEAD = 8192;
const LF = 10;

// RFC 9112 3 and RFC 3986 3.2.2. A host with user information in front is invalid.
const REQUEST_LINE = /^(?<method>[!#$%&'*+.^_`|~0-9A-Za-z-]+) (?<target>[^\s]+) HTTP\/1\.[0-9]$/;
const ABSOLUTE_FORM = /^https?:\/\/(?<host>[^/?#@]+)(?:[/?#].*)?$/i;
const HEADER = /^(?<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?<value>.*?)[ \t]*$/;
const HOST = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$/;

/**
 * Reads the host name of the first request on a connection while its bytes pass. It never changes the bytes. The
 * absolute form of the target takes precedence over the Host header (RFC 9112 3.2.2). Two Host headers that differ
 * count as no host.
 */
export class HttpHostReader {
  #lines: "request" | "headers" | "done" = "request";
  #line = "";
  #seen = 0;
  #fromTarget: string | undefined;
  #fromHeader: string | undefined;

  /** The result is final; further bytes need not be pushed. */
  get done(): boolean {
    return this.#lines === "done";
  }

  /** The host in lower case, with its port if it has one; `NO_HOST` while it is not known. */
  get host(): string {
    return this.#fromTarget ?? this.#fromHeader ?? NO_HOST;
  }

  push(bytes: Uint8Array): void {
    let start = 0;
    while (!this.done && start < bytes.length) {
      const newline = bytes.indexOf(LF, start);
      const end = Math.min(newline < 0 ? bytes.length : newline, start + MAX_HEAD - this.#seen);
      this.#line += Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
      this.#seen += end - start + 1;
      if (end === newline) this.#endLine();
      else if (this.#seen >= MAX_HEAD) this.#lines = "done";
      start = end + 1;
    }
  }

  #endLine(): void {
    const line = this.#line.endsWith("\r") ? this.#line.slice(0, -1) : this.#line;
    this.#line = "";
    if (this.#lines === "request") this.#requestLine(line);
    else this.#headerLine(line);
    if (this.#seen >= MAX_HEAD) this.#lines = "done";
  }

  #requestLine(line: string): void {
    if (line === "") return; // RFC 9112 2.2: empty lines before a request are skipped
    const { method, target = "" } = REQUEST_LINE.exec(line)?.groups ?? {};
    if (method === undefined) {
      this.#lines = "done";
      return;
    }
    this.#lines = "headers";
    this.#fromTarget = validHost(method === "CONNECT" ? target : ABSOLUTE_FORM.exec(target)?.groups?.["host"]);
  }

  #headerLine(line: string): void {
    if (line === "") {
      this.#lines = "done";
      return;
    }
    const { name, value } = HEADER.exec(line)?.groups ?? {};
    if (name?.toLowerCase() !== "host") return;
    const host = validHost(value) ?? NO_HOST;
    this.#fromHeader = this.#fromHeader === undefined || this.#fromHeader === host ? host : NO_HOST;
  }
}

function validHost(host: string | undefined): string | undefined {
  return host !== undefined && HOST.test(host) ? host.toLowerCase() : undefined;
}
