import type { ServerDirectory } from "@dp/host";
import type { ListenerPorts, Proxy } from "@dp/proxy";
import { isDatapathError } from "./exit-code.ts";

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
  const complain = (message: string) => {
    if (message !== complaint) warn(message);
    complaint = message;
  };
  const look = async () => {
    let wanted: ListenerPorts | undefined;
    try {
      wanted = redirectedTo(servers);
    } catch (error) {
      complain(`${(error as Error).message}; if dp was upgraded, start dp proxy anew`);
      return;
    }
    if (wanted === undefined || portsText(wanted) === portsText(proxy.ports)) return;
    try {
      await proxy.moveTo(wanted);
      complaint = "";
      onMove();
    } catch (error) {
      complain(`dp load redirects to ${portsText(wanted)}, but ${(error as Error).message}`);
    }
  };
  let looking = false;
  const follow = async () => {
    if (looking) return;
    looking = true;
    await look();
    looking = false;
  };
  const timer = setInterval(() => void follow(), CHECK_MS);
  return () => clearInterval(timer);
}

/** Undefined while nothing is loaded: nothing is redirected anywhere. */
function redirectedTo(servers: ServerDirectory): ListenerPorts | undefined {
  try {
    const { httpPort, dnsPort, tcpPort } = servers.proxyPorts();
    return { http: httpPort, dns: dnsPort, tcp: tcpPort };
  } catch (error) {
    if (isDatapathError(error) && error.code === "NOT_LOADED") return undefined;
    throw error;
  }
}

export function portsText({ http, dns, tcp }: ListenerPorts): string {
  return `HTTP ${http}, DNS ${dns}, TCP ${tcp}`;
}
