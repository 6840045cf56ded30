import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { DatapathError } from "@dp/sys";

const run = promisify(execFile);

const RUNTIMES = ["docker", "podman", "nerdctl"] as const;
/** An engine that hangs must not hang us. */
const TIMEOUT_MS = 15_000;

/** What a container engine said about a name. */
type Answer =
  | { kind: "running"; pid: number }
  | { kind: "stopped" }
  | { kind: "unknown" }
  | { kind: "not installed" }
  | { kind: "failed"; reason: string };

/**
 * The process id of a container's first process, asked of docker, podman and nerdctl in this order; the first that is
 * installed and knows the name answers.
 *
 * @throws DatapathError `FAILED` when none knows it, or it is not running
 */
export async function containerPid(container: string, op: string): Promise<number> {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(container)) {
    throw new DatapathError("BAD_USAGE", op, `${JSON.stringify(container)} is not a container's name or id`);
  }
  const asked: string[] = [];
  const reasons: string[] = [];
  for (const runtime of RUNTIMES) {
    const answer = await inspect(runtime, container);
    if (answer.kind === "running") return answer.pid;
    if (answer.kind === "stopped") {
      throw new DatapathError("FAILED", op, `${runtime} says the container ${container} is not running`, {
        hint: `start it: ${runtime} start ${container}`,
      });
    }
    if (answer.kind !== "not installed") asked.push(runtime);
    if (answer.kind === "failed") reasons.push(`${runtime}: ${answer.reason}`);
  }
  if (asked.length === 0) {
    throw new DatapathError(
      "FAILED",
      op,
      `none of ${RUNTIMES.join(", ")} is installed to ask about container ${container}`,
      {
        hint: "name its network namespace instead: --netns pid:N, a path, or a name in /run/netns",
      },
    );
  }
  const why = reasons.length === 0 ? "" : ` (${reasons.join("; ")})`;
  throw new DatapathError(
    "FAILED",
    op,
    `${asked.join(" and ")} know${asked.length === 1 ? "s" : ""} no container ${container}${why}`,
    {
      hint: `see ${asked.map((runtime) => `${runtime} ps`).join(", ")}`,
    },
  );
}

async function inspect(runtime: string, container: string): Promise<Answer> {
  try {
    const { stdout } = await run(runtime, ["inspect", "--type", "container", "--format", "{{.State.Pid}}", container], {
      timeout: TIMEOUT_MS,
    });
    const pid = Number(stdout.trim());
    if (!Number.isInteger(pid)) return { kind: "failed", reason: `it answered ${JSON.stringify(stdout.trim())}` };
    return pid > 0 ? { kind: "running", pid } : { kind: "stopped" };
  } catch (error) {
    const failure = error as NodeJS.ErrnoException & { stderr?: string; killed?: boolean };
    if (failure.code === "ENOENT") return { kind: "not installed" };
    if (failure.killed) return { kind: "failed", reason: `no answer within ${TIMEOUT_MS / 1000} s` };
    const said = failure.stderr?.trim().split("\n").at(-1) ?? "";
    if (/no such|not found/i.test(said)) return { kind: "unknown" };
    return { kind: "failed", reason: said === "" ? failure.message : said };
  }
}
