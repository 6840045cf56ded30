// Talks to an asking proxy: run under Bun in a network namespace with {host, port, localAddress?, localPort?, say, times?}. Prints
// the lines it got and how often it got none. With `stay` it keeps the connection until its standard input ends.
import { connect } from "node:net";

const { host, port, localAddress, localPort, say = "once", times = 1, together = 50 } = JSON.parse(process.argv[2]);

function talk() {
  return new Promise((resolve) => {
    let received = "";
    const socket = connect({ host, port, localAddress, localPort }, () => socket.write(say));
    socket.on("data", (data) => {
      received += data;
      if (say === "stay" && received.includes("\n")) console.log(received.trim());
    });
    socket.on("error", ({ code }) => resolve(code));
    socket.on("close", () => resolve(received.trim()));
    if (say === "stay") process.stdin.on("end", () => socket.end()).resume();
  });
}

let left = times;
const results = [];
await Promise.all(
  Array.from({ length: Math.min(together, times) }, async () => {
    while (left-- > 0) results.push(await talk());
  }),
);
if (times === 1) console.log(say === "stay" ? "closed" : results[0]);
else console.log(JSON.stringify({ answered: results.filter((line) => line.startsWith("{")).length }));
process.exit(0);
