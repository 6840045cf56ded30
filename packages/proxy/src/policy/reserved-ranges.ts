/**
 * What a container does not reach through the proxy unless a rule allows it: everything that means "this host" or "this
 * site" and not "the internet". The host's own addresses are added at run time.
 *
 * The single addresses stand beside ranges, or alone, on purpose: allowing 169.254.0.0/16 must not hand the cloud's
 * credentials to a game server, so a metadata service has to be allowed by its own address. The ranges for
 * documentation are not among these: nobody has anything there.
 */
export const RESERVED_RANGES: readonly { readonly cidr: string; readonly why: string }[] = [
  { cidr: "0.0.0.0/8", why: "this network (RFC 791), which Linux connects to the host itself" },
  { cidr: "10.0.0.0/8", why: "private (RFC 1918)" },
  { cidr: "100.64.0.0/10", why: "carrier-grade NAT (RFC 6598)" },
  { cidr: "100.100.100.200/32", why: "cloud metadata service" },
  { cidr: "127.0.0.0/8", why: "loopback" },
  { cidr: "168.63.129.16/32", why: "the host channel of one cloud, on a public address" },
  { cidr: "169.254.0.0/16", why: "link-local (RFC 3927)" },
  { cidr: "169.254.42.42/32", why: "cloud metadata service" },
  { cidr: "169.254.169.254/32", why: "cloud metadata service" },
  { cidr: "169.254.170.2/32", why: "cloud credentials service" },
  { cidr: "169.254.170.23/32", why: "cloud credentials service" },
  { cidr: "172.16.0.0/12", why: "private (RFC 1918)" },
  { cidr: "192.0.0.0/24", why: "IETF protocol assignments (RFC 6890)" },
  { cidr: "192.0.0.192/32", why: "cloud metadata service" },
  { cidr: "192.168.0.0/16", why: "private (RFC 1918)" },
  { cidr: "198.18.0.0/15", why: "benchmarking (RFC 2544), often a private network" },
  { cidr: "224.0.0.0/4", why: "multicast" },
  { cidr: "240.0.0.0/4", why: "reserved, and the limited broadcast" },
];
