/** Finding a container's network namespace, with container engines of our own making in PATH. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openNamespace } from "@dp/netlink";
import { DatapathError, netnsCookie } from "@dp/sys";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { type ContainerNamespace, containerNamespace } from "../src/container/namespace.ts";

requireRoot();

let folder = "";
const path = process.env["PATH"] ?? "";
const processes: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hosttest-engines-"));
  process.env["PATH"] = folder;
});

afterEach(() => {
  process.env["PATH"] = path;
  for (const each of processes.splice(0)) each.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

function install(engine: string, script: string): void {
  writeFileSync(join(folder, engine), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

const UNKNOWN = 'echo "Error: No such container: $6" >&2; exit 1';

/** A process in a network namespace of its own, as a container has one. */
async function contained(): Promise<{ pid: number; namespace: Omit<ContainerNamespace, "container"> }> {
  const child = spawn("/usr/bin/unshare", ["--net", "/bin/sleep", "1000"], { stdio: "ignore" });
  processes.push(child);
  const pid = child.pid ?? 0;
  const netns = (of: number | string) => readlinkSync(`/proc/${of}/ns/net`);
  while (netns(pid) === netns("self")) await Bun.sleep(5);
  using open = openNamespace(`pid:${pid}`);
  return { pid, namespace: { ref: `pid:${pid}`, cookie: netnsCookie(open.fd) } };
}

async function failure(container: string): Promise<DatapathError> {
  const error = await containerNamespace(container).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DatapathError);
  return error as DatapathError;
}

describe("a container's network namespace", () => {
  test("is asked of whichever engine is installed and knows the name", async () => {
    const { pid, namespace } = await contained();
    const other = await contained();
    install("podman", `echo ${pid}`);
    expect(await containerNamespace("lobby")).toMatchObject(namespace);
    install("docker", UNKNOWN);
    const { container } = await containerNamespace("lobby");
    expect(container).toEqual({ engine: "podman", socket: "", name: "lobby" });
    install("podman", UNKNOWN);
    install("docker", `[ "$*" = "inspect --type container --format {{.State.Pid}} lobby" ] && echo ${other.pid}`);
    expect(await containerNamespace("lobby")).toMatchObject(other.namespace);
  });

  test("is containerd's task's, or runc's container's", async () => {
    const { pid, namespace } = await contained();
    install(
      "ctr",
      `[ "$*" = "tasks list" ] && printf 'TASK    PID    STATUS\\nlobby2    1    RUNNING\\nlobby    ${pid}    RUNNING\\n'`,
    );
    expect(await containerNamespace("lobby")).toMatchObject(namespace);
    install("ctr", '[ "$*" = "containers list --quiet" ] && echo lobby; exit 0');
    expect((await failure("lobby")).hint).toBe("start it: ctr tasks start --detach lobby");
    install("ctr", "exit 0");
    expect((await failure("lobby")).reason).toBe("ctr knows no container lobby");
    install("runc", `[ "$*" = "state lobby" ] && echo '{"id": "lobby", "pid": ${pid}, "status": "running"}'`);
    expect(await containerNamespace("lobby")).toMatchObject(namespace);
  });

  test("is the same to an engine and to the runtime it runs its containers by", async () => {
    const { pid, namespace } = await contained();
    install("podman", `echo ${pid}`);
    install("runc", `echo '{"pid": ${pid}}'`);
    expect(await containerNamespace("e575612d7db3")).toMatchObject(namespace);
  });

  test("is not guessed when two engines have a container of that name", async () => {
    const { pid, namespace } = await contained();
    const other = await contained();
    install("podman", `echo ${pid}`);
    install("runc", `echo '{"pid": ${other.pid}}'`);
    const error = await failure("lobby");
    expect([error.code, error.reason]).toEqual(["CONFLICT", "podman and runc each have a container lobby"]);
    expect(error.hint).toBe("name the engine: --container podman:lobby or --container runc:lobby");
    expect(await containerNamespace("podman:lobby")).toMatchObject(namespace);
    expect(await containerNamespace("runc:lobby")).toMatchObject(other.namespace);
    // Nor when one of them is stopped: which is meant would change when it is started.
    install("podman", "echo 0");
    expect((await failure("lobby")).code).toBe("CONFLICT");
  });

  test("without an engine there is another way", async () => {
    const error = await failure("lobby");
    expect(error.message).toContain("none of docker, podman, nerdctl, ctr, runc is installed");
    expect(error.hint).toContain("--netns pid:N");
    expect((await failure("podman:lobby")).message).toContain("podman is not installed");
  });

  test("one that none knows, one that is stopped, and an engine that does not answer are told apart", async () => {
    install("docker", UNKNOWN);
    install("podman", UNKNOWN);
    install("runc", 'echo \'time="2026-11-23T13:18:59Z" level=error msg="container does not exist"\' >&2; exit 1');
    const unknown = await failure("lobby");
    expect(unknown.reason).toBe("docker, podman and runc know no container lobby");
    expect(unknown.hint).toBe("see docker ps --all, podman ps --all, runc list");
    install("podman", "echo 0");
    const stopped = await failure("lobby");
    expect(stopped.reason).toBe("podman says the container lobby is not running");
    expect(stopped.hint).toBe("start it: podman start lobby");
    install("podman", 'echo "Cannot connect to the daemon" >&2; exit 125');
    const down = await failure("lobby");
    expect(down.reason).toBe(
      "podman cannot be asked about container lobby: Cannot connect to the daemon; docker and runc know no container lobby",
    );
    expect(down.hint).toBe("does podman run? Otherwise see docker ps --all, runc list");
    const alone = await failure("podman:lobby");
    expect(alone.reason).toBe("podman cannot be asked about container lobby: Cannot connect to the daemon");
    expect(alone.hint).toBe("does podman run?");
    install("ctr", 'echo "ctr: failed to dial \\"/run/c.sock\\": no such file or directory" >&2; exit 1');
    expect((await failure("lobby")).reason).toContain("ctr cannot be asked about container lobby: ctr: failed to dial");
  });

  test("is not taken of a process that was the container's a moment ago", async () => {
    const { pid } = await contained();
    const other = await contained();
    // Started anew between the two questions.
    install("podman", `if [ -e ${folder}/asked ]; then echo ${other.pid}; else : >${folder}/asked; echo ${pid}; fi`);
    const error = await failure("lobby");
    expect(error.reason).toBe("the container lobby was stopped or restarted in the meantime");
    expect(await containerNamespace("lobby")).toMatchObject(other.namespace);
    // Ended before its namespace was opened.
    install("podman", `if [ -e ${folder}/again ]; then echo 0; else : >${folder}/again; echo 4194304; fi`);
    expect((await failure("lobby")).reason).toContain("in the meantime");
  });

  test("what cannot be a name is not passed on", async () => {
    install("docker", "echo 42");
    for (const name of ["--format", "a;b", "", "docker:", "docker:--format", ":a"]) {
      expect((await failure(name)).code).toBe("BAD_USAGE");
    }
    const error = await failure("rkt:lobby");
    expect([error.code, error.reason]).toEqual(["BAD_USAGE", "there is no container engine rkt"]);
  });
});
