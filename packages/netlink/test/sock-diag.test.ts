/** Ending connected sockets of a namespace by NETLINK_SOCK_DIAG, with real sockets. */
import { expect, test } from "bun:test";
import { openNetns } from "@dp/sys";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { SockDiag } from "../src/index.ts";

requireRoot();

/** A process with one connection to itself, a listener, a connected and an unconnected UDP socket, of one family. */
const PEERS = `
import socket, sys
family = socket.AF_INET6 if sys.argv[1] == "inet6" else socket.AF_INET
host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
listener = socket.socket(family); listener.bind((host, 0)); listener.listen()
client = socket.create_connection(listener.getsockname()[:2])
server, _ = listener.accept()
sink = socket.socket(family, socket.SOCK_DGRAM); sink.bind((host, 0))
connected = socket.socket(family, socket.SOCK_DGRAM); connected.connect(sink.getsockname()[:2])
print("ready", flush=True)
sys.stdin.readline()
def outcome(ask):
    try:
        ask(); return "works"
    except TimeoutError:
        return "waits"
    except OSError as error:
        return error.errno
import errno
names = lambda value: value if isinstance(value, str) else errno.errorcode[value]
client.settimeout(0.2); server.settimeout(0.2)
print(names(outcome(lambda: client.recv(1))), names(outcome(lambda: server.recv(1))),
      names(outcome(lambda: connected.send(b"x"))), names(outcome(lambda: sink.sendto(b"x", sink.getsockname()))),
      names(outcome(lambda: socket.create_connection(listener.getsockname()[:2]))), flush=True)
`;

test.each(["inet", "inet6"])(
  "%s: connected sockets end, listeners and unconnected sockets stay; of this namespace only",
  async (family) => {
    using here = new NetworkNamespace();
    using elsewhere = new NetworkNamespace();
    const children = [here, elsewhere].map((namespace) => {
      namespace.ip("link", "set", "lo", "up");
      const command = namespace.command("python3", "-c", PEERS, family);
      return Bun.spawn(command, { stdin: "pipe", stdout: "pipe" });
    });
    const readers = children.map(({ stdout }) => stdout.getReader());
    for (const reader of readers) await reader.read();
    {
      using netns = openNetns(here.path);
      using diag = SockDiag.open({ netns });
      expect([diag.count("tcp"), diag.count("udp")]).toEqual([2, 1]);
      const own = family === "inet6" ? "::1" : "127.0.0.1";
      for (const other of ["192.0.2.1", "2001:db8::1"]) {
        expect([diag.destroyConnected("tcp", other), diag.destroyConnected("udp", other)]).toEqual([0, 0]);
      }
      // The reset of the first end may have ended the other.
      expect(diag.destroyConnected("tcp", own)).toBeOneOf([1, 2]);
      expect(diag.destroyConnected("udp")).toBe(1);
      expect([diag.count("tcp"), diag.count("udp")]).toEqual([0, 0]);
    }
    const answers: string[] = [];
    for (const [index, { stdin }] of children.entries()) {
      stdin.write("\n");
      stdin.end();
      let text = "";
      for (let part = await readers[index]?.read(); part?.value !== undefined; part = await readers[index]?.read()) {
        text += new TextDecoder().decode(part.value);
      }
      answers.push(text.trim());
    }
    expect(answers[0]).toMatch(/^ECONN(ABORTED|RESET) ECONN(ABORTED|RESET) E(CONNABORTED|DESTADDRREQ) works works$/);
    expect(answers[1]).toBe("waits waits works works works");
    for (const child of children) await child.exited;
  },
);
