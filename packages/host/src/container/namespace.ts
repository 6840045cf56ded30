/** Finds containers by name. */
import type { ContainerRef } from "@dp/core";
import { openNamespace } from "@dp/netlink";
import { DatapathError, netnsCookie } from "@dp/sys";
import { type Answer, type ContainerEngine, ENGINES } from "./engine.ts";

/** The network namespace of a container at one moment. */
export interface ContainerNamespace {
  /** For `openNamespace`: the container's first process, `pid:N`. */
  ref: string;
  /** To compare after opening: by then the process may have ended, and its pid may be another process's. */
  cookie: bigint;
  /** The engine that runs it, and its name there. */
  container: ContainerRef;
}

/**
 * Finds the network namespace of a container. Asks docker, podman, nerdctl, ctr and runc, or only the one named in
 * front: "podman:lobby".
 *
 * @throws DatapathError `BAD_USAGE` for an invalid name, `CONFLICT` when engines have different containers of
 *   that name, `FAILED` when none knows it, or it is not running
 */
export async function containerNamespace(container: string): Promise<ContainerNamespace> {
  const { name, engines } = parseContainer(container);
  const { engine, pid } = await findRunning(name, engines);
  const ref = `pid:${pid}`;
  let cookie: bigint | undefined;
  try {
    using namespace = openNamespace(ref);
    cookie = netnsCookie(namespace.fd);
  } catch (cause) {
    // Ask again: "not running" says more than the kernel's "no such process".
    if ((await engine.ask(name)).kind === "running") throw cause;
  }
  // Still the container's process: so it was when its namespace was opened.
  const again = await engine.ask(name);
  if (cookie === undefined || again.kind !== "running" || again.pid !== pid) throw changed(container);
  return { ref, cookie, container: { engine: engine.name, socket: "", name } };
}

/** The error for a container that was stopped or started in the meantime. */
export function changed(container: string): DatapathError {
  return new DatapathError("FAILED", undefined, `the container ${container} was stopped or restarted in the meantime`, {
    hint: "run it again once the container is running",
  });
}

function parseContainer(container: string): { name: string; engines: readonly ContainerEngine[] } {
  const [, engineName, name = ""] = /^(?:([a-z]+):)?([A-Za-z0-9][A-Za-z0-9_.-]*)$/.exec(container) ?? [];
  if (name === "") {
    throw new DatapathError("BAD_USAGE", undefined, `${JSON.stringify(container)} is not a container's name or id`);
  }
  const engines = ENGINES.filter((engine) => engineName === undefined || engine.name === engineName);
  if (engines.length > 0) return { name, engines };
  throw new DatapathError("BAD_USAGE", undefined, `there is no container engine ${engineName}`, {
    hint: `there are ${ENGINES.map((engine) => engine.name).join(", ")}`,
  });
}

interface Asked {
  engine: ContainerEngine;
  answer: Answer;
}

async function findRunning(
  name: string,
  engines: readonly ContainerEngine[],
): Promise<{ engine: ContainerEngine; pid: number }> {
  const asked: Asked[] = await Promise.all(engines.map(async (engine) => ({ engine, answer: await engine.ask(name) })));
  const known = asked.filter(({ answer: { kind } }) => kind === "running" || kind === "stopped");
  const [first] = known;
  if (first === undefined) throw unknown(name, asked);
  const { engine, answer } = first;
  // An engine and its runtime both know one container. Two different containers of one name are ambiguous.
  if (known.some((other) => pidOf(other) !== pidOf(first))) {
    const names = known.map((each) => each.engine.name);
    throw new DatapathError("CONFLICT", undefined, `${joined(names)} each have a container ${name}`, {
      hint: `name the engine: ${names.map((each) => `--container ${each}:${name}`).join(" or ")}`,
    });
  }
  if (answer.kind === "running") return { engine, pid: answer.pid };
  throw new DatapathError("FAILED", undefined, `${engine.name} says the container ${name} is not running`, {
    hint: `start it: ${engine.start(name)}`,
  });
}

function pidOf({ answer }: Asked): number | undefined {
  return answer.kind === "running" ? answer.pid : undefined;
}

function unknown(name: string, asked: readonly Asked[]): DatapathError {
  const installed = asked.filter(({ answer }) => answer.kind !== "not installed");
  if (installed.length === 0) {
    const names = asked.map(({ engine }) => engine.name);
    const none = names.length === 1 ? `${names[0]} is not` : `none of ${names.join(", ")} is`;
    return new DatapathError("FAILED", undefined, `${none} installed to ask about container ${name}`, {
      hint: "name its network namespace instead: --netns pid:N, a path, or a name in /run/netns",
    });
  }
  const failures = installed.flatMap(({ engine, answer }) =>
    answer.kind === "failed" ? { name: engine.name, reason: answer.reason } : [],
  );
  const answered = installed.filter(({ answer }) => answer.kind !== "failed");
  const names = answered.map(({ engine }) => engine.name);
  const know = `${joined(names)} know${names.length === 1 ? "s" : ""} no container ${name}`;
  const hint = `see ${answered.map(({ engine }) => engine.list).join(", ")}`;
  if (failures.length === 0) return new DatapathError("FAILED", undefined, know, { hint });
  // The container may be one of theirs.
  const failed = failures.map(
    (failure) => `${failure.name} cannot be asked about container ${name}: ${failure.reason}`,
  );
  return new DatapathError("FAILED", undefined, [...failed, ...(names.length === 0 ? [] : [know])].join("; "), {
    hint: `does ${joined(failures.map((failure) => failure.name))} run?${names.length === 0 ? "" : ` Otherwise ${hint}`}`,
  });
}

/** "docker, podman and runc" */
function joined(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
