/**
 * Tries to connect to each of these, all at once, and tells what came of it: the first bytes that arrived, or the name
 * of the errno. In their order: event attempted {outcomes}.
 *
 *     bun egress/attempt.ts ADDRESS:PORT...
 */
import { connect } from "node:net";

function attempt(target: string): Promise<string> {
  const [host, port] = target.split(":") as [string, string];
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
    socket.on("connect", () => socket.write("echo\nhello"));
    socket.on("data", (bytes: Buffer) => {
      resolve(bytes.toString());
      socket.destroy();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on("close", () => resolve("closed"));
  });
}

const outcomes = await Promise.all(process.argv.slice(2).map(attempt));
console.log(JSON.stringify({ event: "attempted", outcomes }));
