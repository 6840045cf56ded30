/**
 * Whatever a container opens arrives at the proxy, which learns where it was going:
 *
 *                             host                                 9080  HTTP listener
 *          dp1 10.1.0.1 ┌──────┴──────┐ dp2 10.1.0.2               9053  DNS listener, TCP and UDP
 *                     lobby        survival                        9111  TCP listener
 *                   10.2.0.1       10.2.0.2
 *
 * No computer has the addresses that the containers connect to: this proxy only says what it was told.
 */
import { describe, expect, test } from "bun:test";
import { openPinned } from "@dp/core";
import { type Event, must } from "@dp/test-kit/program.ts";
import { listen, start, talk } from "./redirect/redirect.ts";
import { Internet } from "./topology/internet.ts";
import { converse, serve, transfer } from "./traffic/traffic.ts";

const MEBIBYTE = 2 ** 20;
const [HTTP, DNS, TCP] = [9080, 9053, 9111] as const;

async function twoContainers(...options: string[]) {
  const net = await Internet.create({ containers: ["lobby", "survival"] });
  await net.dp.must("load", ...options);
  await net.dp.addServer(25570, net.container("lobby"), "--name", "lobby");
  await net.dp.addServer(25571, net.container("survival"), "--name", "survival");
  return net;
}

/** What a connection to each should be told, at these listeners. */
const told = (container: string, expected: Readonly<Record<string, number>>) =>
  Object.entries(expected).map(([to, listener]) => ({
    event: "answer",
    to,
    listener,
    original: to,
    from: expect.stringMatching(new RegExp(`^${container.replaceAll(".", "\\.")}:\\d+$`)) as string,
  }));

test("each destination port has its listener, which learns the destination", async () => {
  await using net = await twoContainers();
  await listen(net.host, HTTP, DNS, TCP);
  const expected = {
    "192.0.2.80:80": HTTP,
    "192.0.2.53:53": DNS,
    "192.0.2.80:443": TCP,
    "192.0.2.25:25": TCP,
    "192.0.2.1:1": TCP,
    "192.0.2.1:65535": TCP,
    // Ports that mean something elsewhere: the listeners' own, the game's public ones, the resolver's over TLS.
    "192.0.2.1:9080": TCP,
    "192.0.2.1:9111": TCP,
    "192.0.2.1:25570": TCP,
    "192.0.2.1:853": TCP,
    // Addresses that mean something: the proxy has to know what is asked of it, to refuse it.
    "203.0.113.10:443": TCP,
    "169.254.169.254:80": HTTP,
    "8.8.8.8:53": DNS,
  };
  for (const [name, address] of [
    ["lobby", "10.2.0.1"],
    ["survival", "10.2.0.2"],
  ] as const) {
    const answers = await talk(net.container(name), "ask", { to: Object.keys(expected) });
    expect(answers).toEqual(told(address, expected));
  }
});

test("two containers have one source port at one time, and neither hears of the other's destination", async () => {
  await using net = await twoContainers();
  await listen(net.host, HTTP, DNS, TCP);
  const hold = (name: string, to: string) => talk(net.container(name), "hold", { to: [to], sourcePort: 40_000 });
  for (let round = 0; round < 5; round++) {
    const [lobby, survival] = await Promise.all([hold("lobby", "192.0.2.1:443"), hold("survival", "192.0.2.2:8443")]);
    expect(lobby[0]).toMatchObject({ original: "192.0.2.1:443", from: "10.2.0.1:40000" });
    expect(survival[0]).toMatchObject({ original: "192.0.2.2:8443", from: "10.2.0.2:40000" });
  }
});

test("one container has connections from one source port to several destinations, and all of them work", async () => {
  await using net = await twoContainers();
  await listen(net.host, HTTP, DNS, TCP);
  const expected = {
    "192.0.2.1:443": TCP,
    "192.0.2.2:443": TCP,
    "192.0.2.1:8443": TCP,
    "192.0.2.1:80": HTTP,
    "192.0.2.1:53": DNS,
  };
  const to = Object.keys(expected);
  const events = await talk(net.container("lobby"), "hold", { to, sourcePort: 40_000 });
  const answers = events.filter(({ event }) => event === "answer");
  expect(answers.sort(by(to))).toEqual(told("10.2.0.1", expected));
  // The proxy tells them apart by their ports, where they are not apart already by its own.
  expect(new Set(answers.map(({ listener, from }) => `${listener} ${from}`)).size).toBe(to.length);
  expect(answers.some(({ from }) => from === "10.2.0.1:40000")).toBe(true);
  expect(events.filter(({ event }) => event === "echoed").sort(by(to))).toEqual(
    to.map((each) => {
      const text = `this goes to ${each}`;
      return { event: "echoed", to: each, text, last: `${text.length + 1} bytes` };
    }),
  );
});

function by(order: readonly string[]) {
  return (one: Event, other: Event) => order.indexOf(one["to"] as string) - order.indexOf(other["to"] as string);
}

test("one socket asks several resolvers, and each answers for itself", async () => {
  await using net = await twoContainers();
  await listen(net.host, HTTP, DNS, TCP);
  const to = ["192.0.2.53:53", "198.51.100.53:53", "192.0.2.54:53"];
  const ask = (name: string) => talk(net.container(name), "query", { to, rounds: 20, sourcePort: 40_000 });
  for (const replies of await Promise.all([ask("lobby"), ask("survival")])) {
    expect(replies).toHaveLength(60);
    for (const { from, text } of replies) expect(text).toMatch(new RegExp(`^${DNS} question \\d+ to ${from}$`));
    expect(new Set(replies.map(({ text }) => text)).size).toBe(60);
  }
  const { flows } = await net.dp.json<{ flows: number }>("show", "25570");
  expect(flows).toBe(3);
});

test("a resolver's answer may be longer than a packet", async () => {
  await using net = await twoContainers();
  await listen(net.host, DNS);
  const to = ["192.0.2.53:53", "198.51.100.53:53"];
  for (const bytes of [1472, 1473, 1480, 4096, 30_000]) {
    const ask = (name: string) => talk(net.container(name), "query", { to, bytes, rounds: 5, sourcePort: 40_000 });
    for (const replies of await Promise.all([ask("lobby"), ask("survival")])) {
      expect(replies).toHaveLength(10);
      for (const reply of replies) expect(reply["bytes"]).toBe(bytes);
      for (const { from, text } of replies) {
        expect(text).toMatch(new RegExp(`^${DNS} question \\d to ${from}, in ${bytes} bytes$`));
      }
    }
  }
});

test("other ports for the listeners hold for servers already there, and what is open stays", async () => {
  await using net = await twoContainers("--http-port", "10080", "--dns-port", "10053", "--tcp-port", "10111");
  await serve(net.host, 10111);
  await listen(net.host, 10080, 10053);
  await listen(net.host, 11080, 11053, 11111);
  const before = { "192.0.2.80:80": 10080, "192.0.2.53:53": 10053 };
  const lobby = net.container("lobby");
  expect(await talk(lobby, "ask", { to: Object.keys(before) })).toEqual(told("10.2.0.1", before));
  const resolver = { to: ["192.0.2.53:53"], sourcePort: 41_000 };
  expect(await talk(lobby, "query", resolver)).toMatchObject([{ text: "10053 question 1 to 192.0.2.53:53" }]);
  await using open = await converse(lobby, { address: "192.0.2.1", port: 443 }, 40_000);

  await net.dp.must("load", "--http-port", "11080", "--dns-port", "11053", "--tcp-port", "11111");
  const after = { "192.0.2.80:80": 11080, "192.0.2.53:53": 11053, "192.0.2.1:443": 11111 };
  for (const [name, address] of [
    ["lobby", "10.2.0.1"],
    ["survival", "10.2.0.2"],
  ] as const) {
    expect(await talk(net.container(name), "ask", { to: Object.keys(after) })).toEqual(told(address, after));
  }
  // The same socket, the same resolver, in the middle of that flow's life.
  expect(await talk(lobby, "query", resolver)).toMatchObject([{ text: "11053 question 1 to 192.0.2.53:53" }]);
  await open.event("echo", open.events.length + 5);
  expect(open.events.filter(({ event }) => event === "failed")).toEqual([]);
});

test("a firewall that tracks connections and drops what it does not know needs one rule", async () => {
  await using net = await twoContainers();
  await listen(net.host, HTTP, DNS, TCP);
  const rules = `
    table inet filter {
      chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iifname "dp*" accept
      }
    }`;
  await must(net.host.inside(["nft", rules]));
  const expected = { "192.0.2.80:80": HTTP, "192.0.2.53:53": DNS, "192.0.2.1:443": TCP };
  const to = Object.keys(expected);
  expect(await talk(net.container("lobby"), "ask", { to })).toEqual(told("10.2.0.1", expected));
  const events = await talk(net.container("lobby"), "hold", { to, sourcePort: 40_000 });
  expect(events.filter(({ event, last }) => event === "echoed" && last !== undefined)).toHaveLength(3);
  const resolvers = ["192.0.2.53:53", "192.0.2.54:53"];
  const replies = await talk(net.container("lobby"), "query", { to: resolvers, bytes: 4096 });
  expect(replies.map(({ from }) => from).sort()).toEqual(resolvers);
});

test("nothing listens: refused at once, under the address that was asked", async () => {
  await using net = await twoContainers();
  const to = ["192.0.2.80:80", "192.0.2.53:53", "192.0.2.1:443"];
  const failures = to.map((each) => ({ event: "failed", to: each, code: "ECONNREFUSED" }));
  expect(await talk(net.container("lobby"), "ask", { to })).toEqual(failures);
  expect(await net.dp.json("show", "25570")).toMatchObject({ flows: 0 });
  const resolvers = ["192.0.2.53:53", "192.0.2.54:53"];
  const refusals = resolvers.map((each) => ({ event: "failed", to: each, code: "ECONNREFUSED" }));
  expect(await talk(net.container("lobby"), "knock", { to: resolvers })).toEqual(refusals);
  // A port that was refused may be tried again when a program listens.
  await listen(net.host, HTTP, DNS, TCP);
  expect(await talk(net.container("lobby"), "ask", { to })).toMatchObject(to.map((each) => ({ original: each })));
});

test("a server that is added again, with the address it had, has nothing to do with the old flows", async () => {
  await using net = await twoContainers();
  await listen(net.host, TCP);
  const lobby = net.container("lobby");
  const [before, after] = ["192.0.2.1:443", "192.0.2.2:443"];
  const open = start(lobby, "chat", { to: [before], sourcePort: 40_000 });
  await open.event("answer");
  const old = ["src", `10.1.0.1:${TCP}`, "dst", "10.2.0.1:40000"];
  const socketsOfOld = async () => (await net.host.run(["ss", "-Htn", ...old])).stdout;
  expect(await socketsOfOld()).toContain("10.2.0.1:40000");
  await net.dp.must("del-server", "25570");
  // The proxy's socket went with the server.
  expect(await socketsOfOld()).toBe("");
  await open[Symbol.asyncDispose]();
  await net.dp.addServer(25570, lobby, "--container-ip", "10.2.0.1", "--host-ip", "10.1.0.9");
  expect(await net.dp.json("show", "25570")).toMatchObject({ flows: 0 });

  await using again = start(lobby, "chat", { to: [after], sourcePort: 40_000 });
  expect(await again.event("answer")).toMatchObject({ original: after, from: "10.2.0.1:40000" });
  using datapath = openPinned({ pinRoot: net.dp.pinRoot });
  expect(datapath.flows.all()).toMatchObject([{ port: 40_000, expires: undefined }]);
  await again.event("word", again.events.length + 3);
});

describe("the ends of a connection", () => {
  test("either side ends first, and the other still says what it has to say", async () => {
    await using net = await twoContainers();
    const listener = await listen(net.host, TCP);
    const to = ["192.0.2.1:443"];
    // The client first: "hold" ends its half before it reads the last line.
    const [, echoed] = await talk(net.container("lobby"), "hold", { to });
    expect(echoed).toMatchObject({ event: "echoed", last: "27 bytes" });
    const finished = await talk(net.container("lobby"), "finish", { to, bytes: 5 * MEBIBYTE });
    expect(finished.map(({ event }) => event)).toEqual(["answer", "ended"]);
    expect(await listener.event("received")).toMatchObject({ bytes: 5 * MEBIBYTE });
  });

  test("a reset is heard on the other side", async () => {
    await using net = await twoContainers();
    const listener = await listen(net.host, TCP);
    const to = ["192.0.2.1:443"];
    expect(await talk(net.container("lobby"), "reset", { to })).toMatchObject([
      { event: "answer", original: "192.0.2.1:443" },
      { event: "failed", code: "ECONNRESET" },
    ]);
    await talk(net.container("lobby"), "leave", { to });
    expect(await listener.event("broken")).toMatchObject({ code: "ECONNRESET" });
  });
});

describe("bulk", () => {
  const address = "192.0.2.80";

  for (const checksums of [true, false]) {
    for (const segmentation of [true, false]) {
      const by = (offloaded: boolean) => (offloaded ? "left to the interface" : "done before");
      test(`checksums ${by(checksums)}, segmentation ${by(segmentation)}: 64 MiB each way arrive unchanged`, async () => {
        await using net = await twoContainers();
        const features = { tx: checksums, tso: segmentation && checksums, gso: segmentation, gro: segmentation };
        await net.container("lobby").features("eth0", features);
        await net.host.features("dp1", features);
        await serve(net.host, TCP);
        for (const direction of ["download", "upload"] as const) {
          const target = { address, port: 443 };
          const { sent, received } = await transfer(net.container("lobby"), target, direction, 64 * MEBIBYTE);
          expect(sent).toMatch(/^[0-9a-f]{64}$/);
          expect(received).toBe(sent);
        }
        // Datagrams too.
        await listen(net.host, DNS);
        const to = ["192.0.2.53:53", "192.0.2.54:53"];
        const replies = await talk(net.container("lobby"), "query", { to });
        expect(replies.map(({ from }) => from).sort()).toEqual(to);
      });
    }
  }

  test("dp load again, in the middle of transfers and with connections open, loses nothing", async () => {
    await using net = await twoContainers();
    await serve(net.host, TCP);
    await listen(net.host, HTTP);
    const lobby = net.container("lobby");
    await using open = await converse(lobby, { address, port: 22 }, 40_000);
    const transfers = (["download", "upload"] as const).map((direction) =>
      transfer(lobby, { address, port: 443 }, direction, 512 * MEBIBYTE),
    );
    const progress = { loads: 0, done: false };
    const finished = Promise.all(transfers).finally(() => (progress.done = true));
    const asked = [];
    while (!progress.done) {
      const [, answers] = await Promise.all([
        net.dp.must("load"),
        talk(lobby, "ask", { to: ["192.0.2.80:80", "192.0.2.81:80"], times: 100, together: 10 }),
      ]);
      asked.push(...answers);
      progress.loads += 1;
    }
    for (const { sent, received } of await finished) expect(received).toBe(sent);
    expect(progress.loads).toBeGreaterThan(2);
    expect(asked.filter(({ to, original }) => to !== original)).toEqual([]);
    await open.event("echo", open.events.length + 3);
    expect(open.events.filter(({ event }) => event === "failed")).toEqual([]);
  });
});
