import { expediteGracePeriods, type Fd, lockDirectory, type LockHolder } from "@dp/sys";
import { type HostOptions, LOCK_TIMEOUT_MS, pinRootOf } from "../host-options.ts";

/** Takes the exclusive lock of an existing pin root. Closing the lock releases it. */
export function lock(path: string, options: HostOptions): Promise<Fd> {
  const onWait = (holder: LockHolder | undefined) => {
    const who = holder === undefined ? "another process" : `process ${holder.pid} (${holder.command})`;
    options.warn?.(`waiting for ${who}, which is changing ${path}`);
  };
  return lockDirectory(path, options.lockTimeoutMs ?? LOCK_TIMEOUT_MS, onWait, options.signal);
}

/** Shortens the kernel's grace periods, which are most of a change's time, unless the options say otherwise. */
export function expedite({ expedite: wanted = true }: HostOptions): Disposable {
  return wanted ? expediteGracePeriods() : { [Symbol.dispose]() {} };
}

/** Runs `body` under the lock of an existing pin root. */
export async function withLock<T>(options: HostOptions, body: () => T): Promise<T> {
  using _lock = await lock(pinRootOf(options), options);
  return body();
}
