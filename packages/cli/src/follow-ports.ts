import type { ServerDirectory } from "@dp/host";
import type { ListenerPorts, Proxy } from "@dp/proxy";

/** How often it is looked whether `dp load` redirects to other ports. */
const CHECK_MS = 1000;

/** Has the proxy listen where connections are redirected to, from now on. Returns what ends that. */
export function followPorts(
  servers: ServerDirectory,
  proxy: Proxy,
  onMove: () => void,
  warn: (message: string) => void,
): () => void {
  let complaint = "";
  let moving = false;
  const follow = async () => {
    const wanted = redirectedTo(servers);
    if (moving || wanted === undefined || portsText(wanted) === portsText(proxy.ports)) return;
    moving = true;
    try {
      await proxy.moveTo(wanted);
      complaint = "";
      onMove();
    } catch (error) {
      const message = `dp load redirects to ${portsText(wanted)}, but ${(error as Error).message}`;
      if (message !== complaint) warn(message);
      complaint = message;
    }
    moving = false;
  };
  const timer = setInterval(() => void follow(), CHECK_MS);
  return () => clearInterval(timer);
}

/** Undefined while nothing is loaded: nothing is redirected anywhere. */
function redirectedTo(servers: ServerDirectory): ListenerPorts | undefined {
  try {
    const { httpPort, dnsPort, tcpPort } = servers.proxyPorts();
    return { http: httpPort, dns: dnsPort, tcp: tcpPort };
  } catch {
    return undefined;
  }
}

export function portsText({ http, dns, tcp }: ListenerPorts): string {
  return `HTTP ${http}, DNS ${dns}, TCP ${tcp}`;
}
