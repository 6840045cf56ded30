/**
 * What players notice of changes on the host:
 *
 *     player ── internet ── host ── container
 *     198.51.100.10        203.0.113.10:25570 → 10.2.0.1:25565
 */
import { expect, test } from "bun:test";
import { must } from "@dp/test-kit/program.ts";
import { Internet } from "./topology/internet.ts";
import { MECHANISM } from "./topology/mechanism.ts";
import { converse, refusal, serve, transfer } from "./traffic/traffic.ts";

const GIBIBYTE = 2 ** 30;

async function oneServer() {
  const net = await Internet.create();
  await net.dp.must("load");
  await net.dp.addServer(25570, net.container());
  return net;
}

test("dp load and dp status say how programs are attached", async () => {
  await using net = await Internet.create();
  expect(await net.dp.json("load")).toMatchObject({ mechanism: MECHANISM });
  expect(await net.dp.json("status")).toMatchObject({ mechanism: MECHANISM });
  const told = { tcx: "TCX links", clsact: "clsact filters" }[MECHANISM];
  for (const command of ["load", "status"])
    expect(await net.dp.must(command)).toMatch(new RegExp(`attached by +${told}`));
  await net.dp.addServer(25570, net.container());
  const filters = await must(net.host.inside(["tc", "filter", "show", "dev", "dp1", "ingress"]));
  expect(filters.includes("dp_snat")).toBe(MECHANISM === "clsact");
});

test("the server in a container restarts: refused while it is down, then served again", async () => {
  await using net = await oneServer();
  expect(await refusal(net.player(), { port: 25570 })).toBe("ECONNREFUSED");
  const first = await serve(net.container());
  await using playing = await converse(net.player(), { port: 25570 });
  await first[Symbol.asyncDispose]();
  await playing.event("failed");
  expect(await refusal(net.player(), { port: 25570 })).toBe("ECONNREFUSED");
  await serve(net.container());
  await using again = await converse(net.player(), { port: 25570 });
  await again.event("echo", 3);
});

test("del-server cuts the players that are connected, and refuses new ones", async () => {
  await using net = await oneServer();
  await serve(net.container());
  await using playing = await converse(net.player(), { port: 25570 });
  await net.dp.must("del-server", "25570");
  expect(await playing.event("failed")).toMatchObject({ code: "ECONNRESET" });
  expect(await refusal(net.player(), { port: 25570 })).toBe("ECONNREFUSED");
});

test("a container that was taken away can be given another port", async () => {
  await using net = await oneServer();
  await serve(net.container());
  await net.dp.must("del-server", "25570");
  await net.dp.addServer(25580, net.container());
  await using playing = await converse(net.player(), { port: 25580 });
  await playing.event("echo", 3);
  expect(await refusal(net.player(), { port: 25570 })).toBe("ECONNREFUSED");
});

test("dp load again, in the middle of a transfer, loses nothing", async () => {
  await using net = await oneServer();
  await serve(net.container());
  await using playing = await converse(net.player(), { port: 25570 });
  const transfers = ["download", "upload"].map((direction) =>
    transfer(net.player(), { port: 25570 }, direction as "download" | "upload", GIBIBYTE),
  );
  const progress = { loads: 0, done: false };
  const finished = Promise.all(transfers).finally(() => (progress.done = true));
  while (!progress.done) {
    await net.dp.must("load");
    progress.loads += 1;
  }
  for (const { sent, received } of await finished) expect(received).toBe(sent);
  expect(progress.loads).toBeGreaterThan(2);
  const echoes = playing.events.length;
  await playing.event("echo", echoes + 3);
});

test("unload is refused while there is a server, and its players stay", async () => {
  await using net = await oneServer();
  await serve(net.container());
  await using playing = await converse(net.player(), { port: 25570 });
  const { code, stderr } = await net.dp.run("unload");
  expect(code).toBe(5);
  expect(stderr).toContain("dp: ");
  await playing.event("echo", playing.events.length + 3);

  await net.dp.must("unload", "--force");
  expect(await playing.event("failed")).toMatchObject({ code: "ECONNRESET" });
});

test("a container that dies takes its server along: the port is free again after del-server", async () => {
  await using net = await oneServer();
  await serve(net.container());
  await net.container()[Symbol.asyncDispose]();
  // The kernel takes a namespace apart in the background.
  while ((await net.host.links()).some(({ ifname }) => ifname === "dp1")) await Bun.sleep(20);
  await net.dp.must("del-server", "25570");
  expect(await net.dp.list()).toEqual([]);
});
