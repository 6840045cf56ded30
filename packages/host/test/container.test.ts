/** Finding a container's process, with container engines of our own making in PATH. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatapathError } from "@dp/sys";
import { containerPid } from "../src/container.ts";

let folder = "";
const path = process.env["PATH"] ?? "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hosttest-engines-"));
  process.env["PATH"] = folder;
});

afterEach(() => {
  process.env["PATH"] = path;
  rmSync(folder, { recursive: true });
});

function install(engine: string, script: string): void {
  writeFileSync(join(folder, engine), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

const UNKNOWN = 'echo "Error: No such container: $6" >&2; exit 1';

async function failure(container: string): Promise<DatapathError> {
  const error = await containerPid(container, "add a server").catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DatapathError);
  return error as DatapathError;
}

describe("a container's process", () => {
  test("is asked of the first engine that is installed and knows the name", async () => {
    install("podman", "echo 4711");
    expect(await containerPid("lobby", "add")).toBe(4711);
    install("docker", UNKNOWN);
    expect(await containerPid("lobby", "add")).toBe(4711);
    install("docker", '[ "$*" = "inspect --type container --format {{.State.Pid}} lobby" ] && echo 42');
    expect(await containerPid("lobby", "add")).toBe(42);
  });

  test("without an engine there is another way", async () => {
    const error = await failure("lobby");
    expect(error.message).toContain("none of docker, podman, nerdctl is installed");
    expect(error.hint).toContain("--netns pid:N");
  });

  test("one that none knows, one that is stopped, and an engine that does not answer are told apart", async () => {
    install("docker", UNKNOWN);
    install("podman", UNKNOWN);
    expect((await failure("lobby")).reason).toBe("docker and podman know no container lobby");
    install("podman", "echo 0");
    expect((await failure("lobby")).reason).toBe("podman says the container lobby is not running");
    install("podman", 'echo "Cannot connect to the daemon" >&2; exit 125');
    expect((await failure("lobby")).reason).toContain("podman: Cannot connect to the daemon");
  });

  test("what cannot be a name is not passed on", async () => {
    install("docker", "echo 42");
    expect((await failure("--format")).code).toBe("BAD_USAGE");
    expect((await failure("a;b")).code).toBe("BAD_USAGE");
  });
});
