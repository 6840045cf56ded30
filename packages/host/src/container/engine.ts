/** Imports its modules only when an engine is asked: most commands do not need them. */
async function run(program: string, args: readonly string[], options: { timeout: number }) {
  const [{ execFile }, { promisify }] = await Promise.all([import("node:child_process"), import("node:util")]);
  return promisify(execFile)(program, args, options);
}

/** How long an engine may take to answer. */
const TIMEOUT_MS = 15_000;

/** What a container engine answers about a name. */
export type Answer =
  | { kind: "running"; pid: number }
  | { kind: "stopped" }
  | { kind: "unknown" }
  | { kind: "not installed" }
  | { kind: "failed"; reason: string };

/** A program that runs containers, asked on its command line. */
export interface ContainerEngine {
  /** Also the program's name, looked up in PATH. */
  name: string;
  /** The command that lists all its containers. */
  list: string;
  /** The command that starts a stopped container. */
  start(container: string): string;
  /** Never rejects: a failure is an answer, too. */
  ask(container: string): Promise<Answer>;
}

/** docker's command line, which podman and nerdctl share. The pid of a container that does not run is 0. */
function dockerLike(name: string): ContainerEngine {
  return {
    name,
    list: `${name} ps --all`,
    start: (container) => `${name} start ${container}`,
    ask: (container) =>
      answered(name, async (said) => {
        const pid = (await said("inspect", "--type", "container", "--format", "{{.State.Pid}}", container)).trim();
        if (!/^\d+$/.test(pid)) return { kind: "failed", reason: `it answered ${JSON.stringify(pid)}` };
        return pid === "0" ? { kind: "stopped" } : { kind: "running", pid: Number(pid) };
      }),
  };
}

/**
 * The command line of containerd, where a task is a running container. Both belong to a containerd namespace:
 * "default", or CONTAINERD_NAMESPACE of the environment.
 */
const ctr: ContainerEngine = {
  name: "ctr",
  list: "ctr containers list",
  start: (container) => `ctr tasks start --detach ${container}`,
  ask: (container) =>
    answered("ctr", async (said) => {
      // TASK PID STATUS
      const rows = (await said("tasks", "list")).split("\n").map((line) => line.trim().split(/\s+/));
      const [, pid, status] = rows.find(([id]) => id === container) ?? [];
      if (pid !== undefined && status !== "STOPPED") return { kind: "running", pid: Number(pid) };
      const ids = (await said("containers", "list", "--quiet")).split("\n");
      return { kind: ids.includes(container) ? "stopped" : "unknown" };
    }),
};

/** Also knows, by their full ids, the containers of engines that use runc. */
const runc: ContainerEngine = {
  name: "runc",
  list: "runc list",
  start: () => "runc run --detach, with its bundle",
  ask: (container) =>
    answered("runc", async (said) => {
      const state = JSON.parse(await said("state", container)) as { pid?: unknown };
      if (typeof state.pid !== "number") return { kind: "failed", reason: "it answered without a pid" };
      return state.pid === 0 ? { kind: "stopped" } : { kind: "running", pid: state.pid };
    }),
};

/** In the order that messages name them. */
export const ENGINES: readonly ContainerEngine[] = [
  dockerLike("docker"),
  dockerLike("podman"),
  dockerLike("nerdctl"),
  ctr,
  runc,
];

/** Does not match "no such file or directory", which an engine says when its daemon does not run. */
const UNKNOWN = /no such (container|object)|container \S* *(not found|does not exist)/i;

/** Runs the program with arguments, and returns its standard output. */
type Said = (...args: string[]) => Promise<string>;

async function answered(program: string, conversation: (said: Said) => Promise<Answer>): Promise<Answer> {
  try {
    return await conversation(async (...args) => (await run(program, args, { timeout: TIMEOUT_MS })).stdout);
  } catch (error) {
    const failure = error as NodeJS.ErrnoException & { stderr?: string; killed?: boolean };
    if (failure.code === "ENOENT") return { kind: "not installed" };
    if (failure.killed === true) return { kind: "failed", reason: `no answer within ${TIMEOUT_MS / 1000} s` };
    const said = lastMessage(failure.stderr ?? "");
    if (UNKNOWN.test(said)) return { kind: "unknown" };
    return { kind: "failed", reason: said === "" ? failure.message : said };
  }
}

/** The last line, without the format of logrus, which runc and containerd use. */
function lastMessage(stderr: string): string {
  const line = stderr.trim().split("\n").at(-1) ?? "";
  const [, message] = /^time=.* level=\w+ msg=(".*")$/.exec(line) ?? [];
  return message === undefined ? line : (JSON.parse(message) as string);
}
