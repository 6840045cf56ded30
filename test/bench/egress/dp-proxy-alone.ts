/** The code of `dp proxy` without a datapath: all sources are one server. The log goes to standard output. */
import { formatLogLine, startProxy } from "@dp/proxy";
import { TCP_PORT } from "./proxies.ts";

const lines: string[] = [];
setInterval(() => {
  if (lines.length > 0) process.stdout.write(lines.splice(0).join(""));
}, 10);

await startProxy({
  ports: { http: 9080, dns: 9053, tcp: TCP_PORT },
  identify: () => ({ id: 1, name: "container" }),
  isContainer: () => false,
  log: (entry) => lines.push(`${formatLogLine(entry)}\n`),
  policy: { allow: ["203.0.113.0/24"] },
  limits: { connectionsPerServer: 4000, ratePerServer: 1_000_000 },
});
