/** A place where a filesystem, or a part of it, is mounted. */
export interface Mount {
  /** The mount point. */
  path: string;
  /** The folder of the filesystem that is mounted there: "/" for all of it. */
  root: string;
}

/** The mounts of filesystems of one type, from the text of a /proc/PID/mountinfo. */
export function parseMounts(mountinfo: string, type: string): Mount[] {
  // ID PARENT MAJOR:MINOR ROOT MOUNT-POINT OPTIONS [TAG]... - TYPE SOURCE SUPER-OPTIONS, blanks as \040 (proc(5)).
  return mountinfo.split("\n").flatMap((line) => {
    const [, root, path, found] = /^\S+ \S+ \S+ (\S+) (\S+) .*? - (\S+) /.exec(line) ?? [];
    if (found !== type || root === undefined || path === undefined) return [];
    return [{ root: unescape(root), path: unescape(path) }];
  });
}

function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
