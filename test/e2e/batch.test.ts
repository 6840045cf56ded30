/**
 * Many servers by one `dp add-server --batch`, as a host does after a boot:
 *
 *     internet ── host ═╤═ c0      a file lists them
 *                       ├─ ...
 *                       └─ c39
 */
import { beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Server } from "./topology/dp.ts";
import { Internet } from "./topology/internet.ts";
import { difference, shapeOf, stateOf } from "./topology/state.ts";
import { serve, transfer } from "./traffic/traffic.ts";

const NAMES = Array.from({ length: 40 }, (_, index) => `c${index}`);

interface Batch {
  added: Server[];
  failed: { entry: number; error: { code: string; reason: string } }[];
}

beforeAll(async () => {
  await using net = await Internet.create();
  await stateOf(net);
});

function fileOf(entries: readonly object[], array = false): string {
  const path = join(tmpdir(), `batch-${crypto.randomUUID()}.json`);
  writeFileSync(path, array ? JSON.stringify(entries) : entries.map((each) => `${JSON.stringify(each)}\n`).join(""));
  return path;
}

test("a batch adds what can be added, says what cannot, and can be run again for the rest", async () => {
  await using net = await Internet.create({ containers: NAMES });
  const netns = (index: number) => net.container(NAMES[index] as string).name;
  await net.dp.must("load");
  const before = shapeOf(await stateOf(net));
  const entries = [
    { port: 25600, netns: netns(0), name: "first", group: "main", containerPort: 25565 },
    { port: 25600, netns: netns(1) },
    { port: "auto", netns: "no-such-namespace" },
    { port: "auto", netns: netns(0) },
    ...NAMES.slice(2).map((_, index) => ({ port: "auto", netns: netns(index + 2), group: "main" })),
  ];
  const { code, stdout, stderr } = await net.dp.run("add-server", "--batch", fileOf(entries), "--json");
  expect(code).toBe(5);
  const { added, failed } = JSON.parse(stdout) as Batch;
  expect(failed.map(({ entry, error }) => [entry, error.code])).toEqual([
    [2, "CONFLICT"],
    [3, "FAILED"],
    [4, "CONFLICT"],
  ]);
  expect(stderr.split("\n").filter((line) => line.startsWith("dp: "))).toEqual([
    expect.stringMatching(/203\.0\.113\.10:25600.* is taken by server first \(id 1\)/),
    expect.stringContaining("no-such-namespace"),
    expect.stringContaining("already belongs to server first (id 1)"),
  ]);
  expect(added.map(({ forwards: [{ port }] }) => port)).toEqual(
    [25600, ...NAMES.slice(2).map((_, index) => 25565 + index)].map((port, index) =>
      index > 0 && port >= 25600 ? port + 1 : port,
    ),
  );
  expect(await net.dp.list()).toHaveLength(NAMES.length - 1);
  expect(await net.dp.must("status")).toStartWith("healthy");

  await serve(net.container("c39"));
  const [{ port }] = (added.find(({ netns: path }) => path.endsWith(netns(39))) as Server).forwards;
  const { sent, received } = await transfer(net.player(), { address: "203.0.113.10", port }, "download", 1_000_000);
  expect(received).toBe(sent);

  const rest = fileOf([{ port: 25650, netns: netns(1), name: "second" }], true);
  expect(await net.dp.must("add-server", "--batch", rest)).toMatch(
    /^added server second \(id \d+\): 203\.0\.113\.10:25650\n$/,
  );
  const again = await net.dp.run("add-server", "--batch", rest);
  expect([again.code, again.stdout]).toEqual([5, "1 of 1 could not be added\n"]);
  await net.dp.must("del-server", "--all");
  expect(difference(before, shapeOf(await stateOf(net)))).toEqual([]);
});

test("one line that cannot be keeps all of them from being added, and says which it is", async () => {
  await using net = await Internet.create({ containers: ["one"] });
  await net.dp.must("load");
  const { name: netns } = net.container("one");
  for (const [second, message] of [
    [{ port: 70000, netns }, "add server 2 of 2: the port is 70000"],
    [{ port: "auto" }, "add server 2 of 2: expected either a network namespace or a container"],
    [{ port: "auto", netns, mtu: "9000" }, "line 2: mtu is"],
  ] as const) {
    const { code, stdout, stderr } = await net.dp.run(
      "add-server",
      "--batch",
      fileOf([{ port: "auto", netns }, second]),
    );
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
  }
  expect(await net.dp.list()).toEqual([]);
});

test("interrupted while it waits for its turn, it says so and has changed nothing", async () => {
  await using net = await Internet.create({ containers: ["one"] });
  await net.dp.must("load");
  const holder = net.host.spawn(["flock", "--no-fork", `${net.dp.pinRoot}/progs`, "sleep", "1000"]);
  while ((await net.dp.run("load", "--wait", "0")).code === 0) await Bun.sleep(20);
  const batch = fileOf([{ port: "auto", netns: net.container("one").name }]);
  const waiting = net.host.spawn(net.dp.command("add-server", "--batch", batch));
  // It says that it waits: then it listens for signals.
  await waiting.printedError("waiting for");
  waiting.kill("SIGTERM");
  const { code, stdout, stderr } = await waiting.finished();
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toEndWith("dp: wait: interrupted; nothing was changed\n");
  await holder[Symbol.asyncDispose]();
  expect(await net.dp.list()).toEqual([]);
});

test("interrupted or killed, those it got to are whole and the others are not there", async () => {
  await using net = await Internet.create({ containers: NAMES });
  await net.dp.must("load");
  const before = shapeOf(await stateOf(net));
  const entries = NAMES.map((name) => ({ port: "auto", netns: net.container(name).name }));
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const program = net.host.spawn(net.dp.command("add-server", "--batch", fileOf(entries), "--json", "--verbose"));
    await program.printedError("step: end the change");
    program.kill(signal);
    const { code, stdout } = await program.finished();
    const listed = await net.dp.list();
    if (signal === "SIGTERM" && code !== 0) {
      const { added, failed } = JSON.parse(stdout) as Batch;
      expect(added.length + failed.length).toBe(NAMES.length);
      expect(listed.map(({ name }) => name).sort()).toEqual(added.map(({ name }) => name).sort());
      expect(failed.every(({ error }) => error.reason === "interrupted before its turn came")).toBe(true);
    }
    await net.dp.run("repair");
    expect(await net.dp.must("status")).toStartWith("healthy");
    await net.dp.must("del-server", "--all");
    expect([signal, ...difference(before, shapeOf(await stateOf(net)))]).toEqual([signal]);
  }
});
