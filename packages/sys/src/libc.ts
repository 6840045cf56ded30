/**
 * libc through koffi: the one place where system calls are named.
 *
 * Every binding here is bound at first use, so importing the package opens nothing. Calls are synchronous and run on
 * the calling thread, which is what makes `setns` usable: see netns.ts.
 */
import koffi from "koffi";
import { SyscallError } from "./errno.ts";

type NativeFunction = (...args: unknown[]) => number;

let library: ReturnType<typeof koffi.load> | undefined;

function bind(prototype: string): NativeFunction {
  let bound: NativeFunction | undefined;
  return (...args) => {
    if (bound === undefined) {
      library ??= koffi.load("libc.so.6");
      bound = library.func(prototype) as NativeFunction;
    }
    return bound(...args);
  };
}

// Buffers are passed as `void *`: the callee writes into the TypedArray's own memory, which koffi pins for the call.
export const libc = {
  close: bind("int close(int fd)"),
  open: bind("int open(const char *path, int flags, unsigned int mode)"),
  setns: bind("int setns(int fd, int nstype)"),
  unshare: bind("int unshare(int flags)"),
  flock: bind("int flock(int fd, int operation)"),
  mount: bind("int mount(const char *source, const char *target, const char *type, unsigned long flags, void *data)"),
  umount2: bind("int umount2(const char *target, int flags)"),
  fsopen: bind("int fsopen(const char *type, unsigned int flags)"),
  fsconfig: bind("int fsconfig(int fd, unsigned int command, const char *key, const void *value, int aux)"),
  fsmount: bind("int fsmount(int fd, unsigned int flags, unsigned int attributes)"),
  statfs: bind("int statfs(const char *path, void *buf)"),
  socket: bind("int socket(int domain, int type, int protocol)"),
  bind: bind("int bind(int fd, void *addr, unsigned int len)"),
  getsockname: bind("int getsockname(int fd, void *addr, void *len)"),
  setsockopt: bind("int setsockopt(int fd, int level, int name, void *value, unsigned int len)"),
  getsockopt: bind("int getsockopt(int fd, int level, int name, void *value, void *len)"),
  send: bind("long send(int fd, void *buf, unsigned long len, int flags)"),
  recv: bind("long recv(int fd, void *buf, unsigned long len, int flags)"),
  ioctl: bind("int ioctl(int fd, unsigned long request, void *arg)"),
  prlimit: bind("int prlimit(int pid, int resource, void *limit, void *old)"),
  poll: bind("int poll(void *fds, unsigned long nfds, int timeout)"),
} as const;

let strerror: ((errno: number) => string) | undefined;

/** strerror(3): "No such file or directory" for 2. Throws nothing. */
export function errnoText(errno: number): string {
  library ??= koffi.load("libc.so.6");
  strerror ??= library.func("const char *strerror(int errnum)") as (errno: number) => string;
  return strerror(errno);
}

/** The calling thread's errno, to be read as the very next thing after a call that failed. */
export function lastErrno(): number {
  return koffi.errno();
}

/**
 * Runs one libc call and turns -1 into a {@link SyscallError} that carries errno.
 *
 * @param op what was being done, for the message
 * @param target what it was about (path, interface)
 */
export function check(result: number, op: string, syscall: string, target?: string): number {
  if (result >= 0) return result;
  const errno = lastErrno();
  throw new SyscallError(op, syscall, errno, { target, text: errnoText(errno) });
}
