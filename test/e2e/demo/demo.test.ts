import { expect, test } from "bun:test";
/**
 * tools/demo itself: twice in a row, two at once, from another directory, and interrupted at any instant. What an
 * interrupted one leaves behind is found by the check after every test: its processes and mounts are seen from here.
 */
import { join } from "node:path";
import { Program } from "@dp/test-kit/program.ts";
import { AS_ORDINARY_USER } from "../topology/ordinary-user.ts";

const DEMO = [join(import.meta.dirname, "../../../tools/demo")];

/** The only lines on standard error: a step of the set-up that takes longer than a second. */
const SET_UP = /^(bootstrap: .* \d+ s\n)*$/;

test("it tells the whole story, twice in a row, from any directory", async () => {
  for (const directory of ["/", "/usr"]) {
    await using demo = new Program(["env", "-C", directory, ...DEMO]);
    const { code, stdout, stderr } = await demo.finished();
    expect(stderr).toMatch(SET_UP);
    expect(stdout).toContain("the server saw the player's own address, 198.51.100.10");
    expect(stdout).toMatch(/lobby http 10\.2\.0\.1:\d+ -> 192\.0\.2\.80:80 closed host=www\.example\.test /);
    expect(stdout).toContain("All as it should be");
    expect(stdout).not.toContain("\x1b[");
    expect(code).toBe(0);
  }
});

test("two at once do not see each other", async () => {
  await using one = new Program(DEMO);
  await using other = new Program(DEMO);
  for (const { code, stdout, stderr } of await Promise.all([one.finished(), other.finished()])) {
    expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: expect.stringMatching(SET_UP) });
  }
});

for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
  test(`${signal} at once ends it, and everything it made`, async () => {
    await using demo = new Program(DEMO);
    demo.kill(signal);
    expect((await demo.finished()).code).not.toBe(0);
  });
  // At the beginning of a chapter, which is before the command it is about has run.
  for (const chapter of [1, 2, 3, 4, 6, 7]) {
    test(`${signal} in chapter ${chapter} ends it, and everything it made`, async () => {
      await using demo = new Program(DEMO);
      await demo.printed(`\n${chapter}. `);
      demo.kill(signal);
      expect((await demo.finished()).code).not.toBe(0);
    });
  }
}

for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
  test(`${signal} while the proxy runs ends it, and everything it made`, async () => {
    await using demo = new Program(DEMO);
    await demo.line(/ listening: /);
    demo.kill(signal);
    expect((await demo.finished()).code).not.toBe(0);
  });
}

test("an ordinary user is told to be root, and how", async () => {
  await using demo = new Program([...AS_ORDINARY_USER, ...DEMO]);
  const { code, stderr } = await demo.finished();
  expect(code).toBe(1);
  expect(stderr).toContain("sudo tools/demo");
});
