import type { ProxyLimits } from "@dp/proxy";
import { proxyLibrary } from "./host-library.ts";

/** With descriptors for fewer servers than these, each with all it may have open, a warning is due. */
const FEW_SERVERS = 4;

/** Raises the limit of open files as far as it goes, and says so when that is not far. */
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
    `it may open ${most} files, two for each connection: too few for ${FEW_SERVERS} servers with ` +
      `${connectionsPerServer} connections; raise the hard limit (ulimit -Hn, LimitNOFILE= of a systemd unit)`,
  );
}
