// A process that holds sockets, and says what becomes of them: run under Node, with a JSON array for a command on each
// line of its standard input. It answers with JSON lines: {"what": ..., "name": ...}, and "error" whenever a socket
// reports one.
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";

const say = (what, name, more = {}) => process.stdout.write(`${JSON.stringify({ what, name, ...more })}\n`);
const sockets = new Map();

/** Keeps a connection, and echoes what comes in on it. */
function hold(name, socket) {
  sockets.set(name, socket);
  socket.on("error", ({ code }) => say("error", name, { code }));
  socket.on("data", (data) => say("data", name, { text: data.toString() }));
  socket.on("close", () => say("closed", name));
}

const COMMANDS = {
  listen(name, port, host) {
    let accepted = 0;
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const each = `${name}.${accepted++}`;
      hold(each, socket);
      say("accepted", each);
    });
    server.on("error", ({ code }) => say("error", name, { code }));
    server.listen({ port, host }, () => say("listening", name));
  },
  connect(name, host, port, localPort) {
    const socket = connect({ host, port, localPort, allowHalfOpen: true }, () => say("connected", name));
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
    socket.on("error", ({ code }) => say("error", name, { code }));
    socket.on("message", (data) => say("data", name, { text: data.toString() }));
    socket.bind(localPort, () => {
      if (host === undefined) return say("bound", name);
      // What fails here comes as an error to the callback.
      socket.connect(port, host, (error) =>
        error === undefined ? say("connected", name) : say("error", name, { code: error.code }),
      );
    });
  },
  sendUdp(name, text, port, host) {
    const sent = (error) => error && say("error", name, { code: error.code });
    if (port === undefined) sockets.get(name).send(text, sent);
    else sockets.get(name).send(text, port, host, sent);
  },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const [command, ...args] = JSON.parse(line);
  COMMANDS[command](...args);
});
process.stdin.on("end", () => process.exit());
say("ready");
