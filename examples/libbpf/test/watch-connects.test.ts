/** watch-connects on a cgroup of its own: processes in it connect to ports of 127.0.0.1 and ::1, where one listens. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { queryCgroup } from "@dp/core/libbpf";
import { Example } from "./example.ts";

let cgroup: string;
let server: Server;
let open: number;

beforeAll(async () => {
  const mount = /^\S+ (\S+) cgroup2 /m.exec(readFileSync("/proc/mounts", "utf8"))?.[1];
  if (mount === undefined) throw new Error("no cgroup2 is mounted");
  cgroup = join(mount, `example-${randomBytes(4).toString("hex")}`);
  mkdirSync(cgroup);
  server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "::", resolve));
  open = (server.address() as AddressInfo).port;
});

afterAll(() => {
  server.close();
  rmdirSync(cgroup);
});

/** What bash says when a process of the cgroup connects: nothing when it could. */
function connect(address: string, port: number): string {
  const script = `echo $$ > ${cgroup}/cgroup.procs && exec 3<>/dev/tcp/${address}/${port}`;
  return spawnSync("bash", ["-c", script], { encoding: "utf8" }).stderr;
}

const REFUSED = "Operation not permitted";

describe("watch-connects", () => {
  for (const runtime of ["bun", "node"] as const) {
    test(`tells of connections and refuses some, under ${runtime}`, async () => {
      await using example = await Example.start(runtime, "watch-connects", cgroup, "--refuse", "25", "--refuse", "7");
      expect(connect("127.0.0.1", 25)).toContain(REFUSED);
      expect(await example.line()).toMatch(/^bash\[\d+\] refused ::ffff:127\.0\.0\.1 25$/);
      expect(connect("127.0.0.1", open)).toBe("");
      expect(await example.line()).toMatch(new RegExp(`^bash\\[\\d+\\] allowed ::ffff:127\\.0\\.0\\.1 ${open}$`));
      expect(connect("::1", 25)).toContain(REFUSED);
      expect(await example.line()).toMatch(/^bash\[\d+\] refused ::1 25$/);
      expect((await example.stop()).toSorted()).toEqual(["port 25: refused 2 times", "port 7: refused 0 times"]);
      expect(connect("127.0.0.1", 25)).not.toContain(REFUSED);
      for (const attachType of ["inet4Connect", "inet6Connect"] as const) {
        expect(queryCgroup({ cgroup, attachType })).toEqual([]);
      }
    });
  }

  test("--quiet tells of refusals alone", async () => {
    await using example = await Example.start("bun", "watch-connects", cgroup, "--refuse", "25", "--quiet");
    connect("127.0.0.1", open);
    connect("127.0.0.1", 25);
    expect(await example.line()).toContain("refused ::ffff:127.0.0.1 25");
    expect(await example.stop()).toEqual(["port 25: refused 1 times"]);
  });
});
