export { DatapathError, type ErrorCode, type ErrorOptions, UnsupportedError } from "./errors.ts";
export { Errno, errnoName, SyscallError } from "./errno.ts";
export { errnoText } from "./libc.ts";
export { raiseDescriptorLimit } from "./descriptor-limit.ts";
export { Fd, O_DIRECTORY, O_PATH, O_RDONLY, O_RDWR, open } from "./fd.ts";
export { isBpffs, isCgroup2, mountBpffs, unmount } from "./mount.ts";
export { currentNetns, netnsCookie, netnsInode, openNetns, withNetns } from "./netns.ts";
export { lockDirectory } from "./lock.ts";
export { bindSocket, getSocketOption, MSG_PEEK, MSG_TRUNC, receive, send, setSocketOption, socket } from "./socket.ts";
