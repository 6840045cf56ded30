import type { ServerDirectory } from "@dp/host";
import type { ListenerPorts, Proxy } from "@dp/proxy";
import { isDatapathError } from "./exit-code.ts";

/** How often to check whether `dp load` redirects to other ports. */
const CHECK_MS = 1000;

/** Moves the proxy's listeners when `dp load` redirects to other ports. Returns a function that ends this. */
export function followPorts(
  servers: ServerDirectory,
  proxy: Proxy,
  onMove: () => void,
  warn: (message: string) => void,
): () => void {
  let lastWarning = "";
  const warnOnce = (message: string) => {
    if (message !== lastWarning) warn(message);
    lastWarning = message;
  };
  const check = async () => {
    let wanted: ListenerPorts | undefined;
    try {
      wanted = currentPorts(servers);
    } catch (error) {
      warnOnce(`${(error as Error).message}; if dp was upgraded, restart dp proxy`);
      return;
    }
    if (wanted === undefined || portsText(wanted) === portsText(proxy.ports)) return;
    try {
      await proxy.moveTo(wanted);
      lastWarning = "";
      onMove();
    } catch (error) {
      warnOnce(`dp load redirects to ${portsText(wanted)}, but ${(error as Error).message}`);
    }
  };
  let checking = false;
  const follow = async () => {
    if (checking) return;
    checking = true;
    await check();
    checking = false;
  };
  const timer = setInterval(() => void follow(), CHECK_MS);
  return () => clearInterval(timer);
}

/** Undefined while the datapath is not loaded. */
function currentPorts(servers: ServerDirectory): ListenerPorts | undefined {
  try {
    return servers.proxyPorts();
  } catch (error) {
    if (isDatapathError(error) && error.code === "NOT_LOADED") return undefined;
    throw error;
  }
}

export function portsText({ http, dns, tcp }: ListenerPorts): string {
  return `HTTP ${http}, DNS ${dns}, TCP ${tcp}`;
}
