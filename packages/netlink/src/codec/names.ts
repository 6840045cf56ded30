/** Kernel numbers with the names that `ip` has for them. A number without a name stays a number. */
export interface Names<N extends string> {
  /** The name, or the number itself. */
  name(number: number): N | number;
  /** The number behind a name. */
  number(name: N): number;
  /** Whether there is one of this name. */
  has(name: string): name is N;
  readonly all: readonly N[];
}

function names<const T extends Readonly<Record<string, number>>>(table: T): Names<keyof T & string> {
  type N = keyof T & string;
  const all = Object.keys(table) as N[];
  const byNumber = new Map(all.map((name) => [table[name] as number, name]));
  return {
    name: (number) => byNumber.get(number) ?? number,
    number: (name) => table[name] as number,
    has: (name): name is N => Object.hasOwn(table, name),
    all,
  };
}

/** RT_SCOPE_*: how far away a destination is, or where an address is valid. */
export const scopes = names({ global: 0, site: 200, link: 253, host: 254, nowhere: 255 });

/** RTN_*: what a route does with a packet. */
export const routeTypes = names({
  unspec: 0,
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
  nat: 10,
});

/** RTPROT_*: the origin of a route. */
export const routeProtocols = names({
  unspec: 0,
  redirect: 1,
  kernel: 2,
  boot: 3,
  static: 4,
  ra: 9,
  bird: 12,
  dhcp: 16,
  keepalived: 18,
  bgp: 186,
  ospf: 188,
});

/** NUD_*: what the kernel knows about a neighbour. */
export const neighbourStates = names({
  none: 0x00,
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
});
