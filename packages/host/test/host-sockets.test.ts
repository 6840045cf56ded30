import { describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { parseProcNetTcp, portsInUse } from "../src/kernel/sockets.ts";

/** /proc/net/tcp and tcp6 as a kernel printed them. */
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0277 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31337 1 00000000 100 0 0 10 0
   1: 0A7100CB:63E2 077100CB:C350 01 00000000:00000000 02:000A7214 00000000  1000        0 31338 2 00000000 20 4 30 10 -1
   2: 0A7100CB:9C40 077100CB:0050 06 00000000:00000000 03:00000F5A 00000000     0        0 0 3 00000000
`;
const REST = "00000000     0        0 31339 1 00000000 100 0 0 10 0";
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 00000000000000000000000000000000:63DD 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 ${REST}
`;

describe("/proc/net/tcp", () => {
  test("every row's local address, port, state and user are read", () => {
    expect(parseProcNetTcp(TCP)).toEqual([
      { address: "127.0.0.1", port: 631, state: "listen", uid: 0, inode: "31337" },
      { address: "203.0.113.10", port: 25570, state: "other", uid: 1000, inode: "31338" },
      { address: "203.0.113.10", port: 40000, state: "time-wait", uid: 0, inode: "0" },
    ]);
  });

  test("IPv6 listeners count: they mostly take IPv4 as well", () => {
    expect(parseProcNetTcp(TCP6)).toEqual([
      { address: "0".repeat(32), port: 25565, state: "listen", uid: 0, inode: "31339" },
    ]);
  });

  test("nothing and garbage are no rows", () => {
    expect(parseProcNetTcp("")).toEqual([]);
    expect(parseProcNetTcp("   0: zz:01 02\n\n \0")).toEqual([]);
  });

  test("a listener of this host is seen", async () => {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    try {
      const { port } = server.address() as { port: number };
      expect(portsInUse().listening.has(port)).toBe(true);
    } finally {
      server.close();
    }
  });
});
