/** Runs the compiled JavaScript of the published package under Node. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ProxyUnderTest } from "./proxy-under-test.ts";
import { connectFrom, listenIn, Sandbox } from "./sandbox.ts";

test("under Node the built package relays, half-closes, refuses, logs and stops", async () => {
  if (!existsSync(join(import.meta.dir, "../dist/index.js"))) {
    throw new Error("dist/ does not exist: build it with `bunx turbo run build --filter=@dp/proxy`");
  }
  using sandbox = new Sandbox();
  await using proxy = await ProxyUnderTest.start(sandbox, {}, "node");
  using _ = listenIn(sandbox, "w", { address: "203.0.113.10", port: 80 }, async (socket) => {
    await socket.fin.promise;
    await socket.write(`got ${socket.received}`);
    socket.shutdown();
  });
  const client = connectFrom(sandbox, "c1", { address: "203.0.113.10", port: 80 });
  const request = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
  await client.write(request);
  client.shutdown();
  await client.fin.promise;
  expect(client.text).toBe(`got ${request.length}`);
  expect(await proxy.nextLog()).toMatchObject({ kind: "http", host: "example.org", outcome: "closed" });
  expect(await connectFrom(sandbox, "c1", { address: "10.99.0.1", port: 80 }).closed.promise).toBe("ECONNRESET");
  expect(await proxy.nextLog()).toMatchObject({ outcome: "refused:policy" });
  proxy.command("stop");
  expect(await proxy.exited).toBe(0);
});
