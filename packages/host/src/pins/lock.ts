import { expediteGracePeriods, type Fd, lockDirectory, type LockHolder } from "@dp/sys";
import { type HostOptions, LOCK_TIMEOUT_MS, pinRootOf } from "../host-options.ts";

/** Takes the exclusive lock of a pin root, which exists. Closing it releases it. */
export function lock(path: string, options: HostOptions): Promise<Fd> {
  const onWait = (holder: LockHolder | undefined) => {
    const who = holder === undefined ? "another process" : `process ${holder.pid} (${holder.command})`;
    options.warn?.(`waiting for ${who}, which is changing ${path}`);
  };
  return lockDirectory(path, options.lockTimeoutMs ?? LOCK_TIMEOUT_MS, onWait, options.signal);
}

/** Most of a change's time is waiting for the kernel. DP_EXPEDITE=off has it wait, where interrupts hurt more. */
export function expedite(): Disposable {
  return process.env["DP_EXPEDITE"] === "off" ? { [Symbol.dispose]() {} } : expediteGracePeriods();
}

/** Runs `body` under the lock of a pin root, which exists. */
export async function withLock<T>(options: HostOptions, body: () => T): Promise<T> {
  using _lock = await lock(pinRootOf(options), options);
  return body();
}
