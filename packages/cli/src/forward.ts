import type { Server, ServerForward } from "@dp/host";

/** What players connect to: "203.0.113.10:25570", "[2001:db8::1]:24454/udp", "203.0.113.10:30000-30099/udp". */
export function publicEndpoint({ address, port, count, protocol }: ServerForward): string {
  return `${withPort(address, port, count)}${protocol === "tcp" ? "" : `/${protocol}`}`;
}

/** What it leads to: "10.2.0.1:25565". */
export function containerEndpoint({ containerAddress, containerPort, count }: ServerForward): string {
  return withPort(containerAddress, containerPort, count);
}

/** The public endpoint of the first forward, with the number of further forwards: "203.0.113.10:25570 +2". */
export function publicEndpoints({ forwards }: Server): string {
  const [first, ...more] = forwards;
  if (first === undefined) return "-";
  return more.length === 0 ? publicEndpoint(first) : `${publicEndpoint(first)} +${more.length}`;
}

function withPort(address: string, port: number, count: number): string {
  const host = address.includes(":") ? `[${address}]` : address;
  return `${host}:${port}${count > 1 ? `-${port + count - 1}` : ""}`;
}
