/** What `dp proxy` runs, without a datapath: every source is one server. Its log goes to standard output, as there. */
import { formatLogLine, startProxy } from "@dp/proxy";
import { TCP_PORT } from "./proxies.ts";

const lines: string[] = [];
setInterval(() => {
  if (lines.length > 0) process.stdout.write(lines.splice(0).join(""));
}, 10);

await startProxy({
  identify: () => ({ name: "container", port: 25565 }),
  isContainer: () => false,
  log: (entry) => lines.push(`${formatLogLine(entry)}\n`),
  tcpPort: TCP_PORT,
  policy: { allow: ["203.0.113.0/24"] },
  limits: { connectionsPerServer: 4000, ratePerServer: 1_000_000 },
});
