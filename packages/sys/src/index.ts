// For TypeScript before `Disposable` is in its default library; the other packages' declarations get it from here.
/// <reference lib="esnext.disposable" preserve="true" />
/**
 * What the other packages need of libc, addresses, and the error classes that all of them throw.
 *
 * @module @dp/sys
 */
export {
  familyOf,
  formatAddress,
  formatIpv4,
  formatIpv6,
  type IpFamily,
  parseAddress,
  parseIpv4,
  parseIpv6,
} from "./address.ts";
export { Prefix } from "./prefix.ts";
export { printable, printableExcept } from "./printable.ts";
export { sleepSync } from "./sleep.ts";
export { DatapathError, type ErrorCode, type ErrorOptions, UnsupportedError } from "./errors.ts";
export { Errno, errnoName, SyscallError } from "./errno.ts";
export { errnoText } from "./libc.ts";
export { raiseDescriptorLimit } from "./descriptor-limit.ts";
export { Fd, O_DIRECTORY, O_RDONLY, open } from "./fd.ts";
export { expediteGracePeriods } from "./expedite.ts";
export { isBpffs, isCgroup2, mountBpffs, unmount } from "./mount.ts";
export { currentNetns, netnsCookie, netnsInode, netnsOwner, newNetns, openNetns, withNetns } from "./netns.ts";
export { withOwnProc } from "./own-proc.ts";
export { lockDirectory } from "./lock.ts";
export { commandOf, type LockHolder, lockHolder } from "./lock-holder.ts";
export {
  bindSocket,
  getSocketOption,
  MSG_PEEK,
  MSG_TRUNC,
  receive,
  send,
  setSocketOption,
  socket,
  tryBind,
} from "./socket.ts";
