import { copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Everything that is in the containers of the tests. From the Debian package busybox-static. */
const BUSYBOX = "/bin/busybox";
const APPLETS = ["cat", "cut", "dd", "nc", "printf", "sh", "sha256sum", "tee"];

/** traffic/server.ts as a shell script, for one connection: whole mebibytes only. */
const SERVER = `#!/bin/sh
read -r verb bytes
case $verb in
  send)
    dd if=/dev/urandom of=/tmp/$$ bs=1048576 count=$((bytes / 1048576)) iflag=fullblock 2>/dev/null
    cat /tmp/$$
    printf %s "$(sha256sum </tmp/$$ | cut -c 1-64)"
    ;;
  receive)
    printf %s "$(dd bs=1048576 count=$((bytes / 1048576)) iflag=fullblock 2>/dev/null | sha256sum | cut -c 1-64)"
    # What is left unread when the connection is closed would reset it.
    cat >/dev/null
    ;;
  echo) cat ;;
esac
`;

/** What a container runs: a server for every connection, until it is killed. */
export const COMMAND = ["/bin/nc", "-ll", "-p", "25565", "-e", "/bin/server"] as const;

/** Makes a root filesystem with a TCP server in it, and returns its folder. */
export function makeRootFilesystem(folder: string): string {
  if (!existsSync(BUSYBOX)) throw new Error(`${BUSYBOX} is not there: tools/bootstrap --tests`);
  for (const name of ["bin", "dev", "etc", "proc", "sys", "tmp"]) mkdirSync(join(folder, name), { recursive: true });
  copyFileSync(BUSYBOX, join(folder, "bin/busybox"));
  for (const applet of APPLETS) symlinkSync("busybox", join(folder, "bin", applet));
  writeFileSync(join(folder, "bin/server"), SERVER, { mode: 0o755 });
  return folder;
}
