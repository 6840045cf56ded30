/** dp doctor as the compiled executable, on a host of its own. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { HostNamespace, requireExecutable } from "./support/host-namespace.ts";

requireExecutable();
setDefaultTimeout(120_000);

let host: HostNamespace;
beforeAll(() => {
  host = new HostNamespace();
});
afterAll(() => host[Symbol.dispose]());

interface Report {
  healthy: boolean;
  checks: { name: string; ok: boolean; what: string; findings: { severity: string; fix: string }[] }[];
}

test("a healthy host: a line for each check, exit code 0, the same as one JSON document", async () => {
  const { code, stdout, stderr } = await host.dp(["doctor"]);
  expect([code, stderr]).toEqual([0, ""]);
  const [firstLine = "", ...lines] = stdout.trimEnd().split("\n");
  expect(firstLine).toMatch(/^ok {7}privileges {2,}CAP_NET_ADMIN and CAP_SYS_ADMIN$/);
  expect(lines.at(-1)).toBe("0 errors, 1 warning");
  expect(stdout).toMatch(/^warning  bpffs +no bpffs is mounted on .*\n +fix: dp load mounts one/m);
  const json = await host.dp(["doctor", "--json"]);
  expect([json.code, json.stderr]).toEqual([0, ""]);
  const { healthy, checks } = JSON.parse(json.stdout) as Report;
  expect(healthy).toBe(true);
  for (const { name } of checks) expect(stdout).toMatch(new RegExp(`^(ok|warning) +${name} `, "m"));
  for (const { findings } of checks) for (const { fix } of findings) expect(stdout).toContain(`fix: ${fix}\n`);
});

test("an error is exit code 1, and is printed with its fix on standard output", async () => {
  const inside = await host.dp(["load"]);
  expect([inside.code, inside.stderr]).toEqual([0, ""]);
  expect((await host.dp(["add-server", "--port", "25570", "--netns", host.container()])).code).toBe(0);
  expect((await host.dp(["doctor"])).code).toBe(0);
  await host.other(["ip", "link", "set", "dev", "dp1", "address", "02:00:00:00:00:01"]);
  const { code, stdout, stderr } = await host.dp(["doctor"]);
  expect([code, stderr]).toEqual([1, ""]);
  expect(stdout).toMatch(/^error {4}host-peers +dp1 of server server-25570 \(id 1\) has the MAC 02:/m);
  expect(stdout).toMatch(/^ +fix: dp repair, or dp load$/m);
  expect(stdout.trimEnd().split("\n").at(-1)).toBe("1 error, 1 warning");
  const json = await host.dp(["doctor", "--json"]);
  expect(json.code).toBe(1);
  const { healthy, checks } = JSON.parse(json.stdout) as Report;
  expect([healthy, checks.filter(({ ok }) => !ok).map(({ name }) => name)]).toEqual([false, ["host-peers"]]);
  expect((await host.dp(["unload", "--force"])).code).toBe(0);
});
