import type { ProxyLimits } from "@dp/proxy";
import { proxyLibrary } from "./host-library.ts";

/** Warn when fewer servers than this can have all their connections and queries open at once. */
const FEW_SERVERS = 4;

/** Raises the limit of open files to the hard limit, and warns when that is low. */
export async function warnOfFewDescriptors(
  limits: Partial<ProxyLimits>,
  warn: (message: string) => void,
): Promise<void> {
  const { raiseDescriptorLimit } = await import("@dp/sys");
  const { completeLimits } = await proxyLibrary();
  const most = raiseDescriptorLimit();
  const { connectionsPerServer, queriesPerServer } = completeLimits(limits);
  if (most >= FEW_SERVERS * (2 * connectionsPerServer + queriesPerServer)) return;
  warn(
    `the proxy may open ${most} files, two for each connection: too few for ${FEW_SERVERS} servers with ` +
      `${connectionsPerServer} connections; raise the hard limit (ulimit -Hn, LimitNOFILE= of a systemd unit)`,
  );
}
