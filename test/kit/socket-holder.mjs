// Runs under Node. Holds sockets, and reports what happens to them. Each line of standard input is a command, a JSON
// array. Each line of standard output is an event: {"what": ..., "name": ...}, "error" for one that a socket reports.
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";

const report = (what, name, more = {}) => process.stdout.write(`${JSON.stringify({ what, name, ...more })}\n`);
const sockets = new Map();

/** Keeps a connection, and echoes what comes in on it. */
function hold(name, socket) {
  sockets.set(name, socket);
  socket.on("error", ({ code }) => report("error", name, { code }));
  socket.on("data", (data) => report("data", name, { text: data.toString() }));
  socket.on("close", () => report("closed", name));
}

const COMMANDS = {
  listen(name, port, host) {
    let accepted = 0;
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const each = `${name}.${accepted++}`;
      hold(each, socket);
      report("accepted", each);
    });
    server.on("error", ({ code }) => report("error", name, { code }));
    server.listen({ port, host }, () => report("listening", name));
  },
  connect(name, host, port, localPort) {
    const socket = connect({ host, port, localPort, allowHalfOpen: true }, () => report("connected", name));
    hold(name, socket);
  },
  send(name, text) {
    sockets.get(name).write(text);
  },
  end(name) {
    sockets.get(name).end();
  },
  udp(name, type, localPort, host, port) {
    const socket = createSocket(type);
    sockets.set(name, socket);
    socket.on("error", ({ code }) => report("error", name, { code }));
    socket.on("message", (data) => report("data", name, { text: data.toString() }));
    socket.bind(localPort, () => {
      if (host === undefined) return report("bound", name);
      // What fails here comes as an error to the callback.
      socket.connect(port, host, (error) =>
        error === undefined ? report("connected", name) : report("error", name, { code: error.code }),
      );
    });
  },
  sendUdp(name, text, port, host) {
    const sent = (error) => error && report("error", name, { code: error.code });
    if (port === undefined) sockets.get(name).send(text, sent);
    else sockets.get(name).send(text, port, host, sent);
  },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const [command, ...args] = JSON.parse(line);
  COMMANDS[command](...args);
});
process.stdin.on("end", () => process.exit());
report("ready");
