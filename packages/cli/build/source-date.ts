import { spawnSync } from "node:child_process";

/**
 * When the source is from: $SOURCE_DATE_EPOCH, or else the time of the last commit. What is built bears this date and
 * not that of the build, so that the same source gives the same bytes.
 */
export function sourceDate(): Date {
  const given = process.env["SOURCE_DATE_EPOCH"];
  const git = ["-c", "safe.directory=*", "log", "-1", "--format=%ct"];
  const seconds = given ?? spawnSync("git", git, { cwd: import.meta.dirname, encoding: "utf8" }).stdout;
  if (!/^\d+\s*$/.test(seconds)) throw new Error("not a clone of git: set SOURCE_DATE_EPOCH to the time of the source");
  return new Date(Number(seconds) * 1000);
}
