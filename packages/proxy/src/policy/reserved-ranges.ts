/**
 * Destinations that containers reach only when a rule allows them: addresses of the host or of its site, and not of the
 * internet. The host's own addresses are added at run time.
 *
 * Metadata services have an entry for their own address, also inside a range: allowing 169.254.0.0/16 must not give the
 * cloud's credentials to a game server. The ranges for documentation are not listed: no host has such an address.
 */
export const RESERVED_RANGES: readonly { readonly cidr: string; readonly why: string }[] = [
  { cidr: "0.0.0.0/8", why: "this network (RFC 791); Linux connects to the host itself" },
  { cidr: "10.0.0.0/8", why: "private (RFC 1918)" },
  { cidr: "100.64.0.0/10", why: "carrier-grade NAT (RFC 6598)" },
  { cidr: "100.100.100.200/32", why: "cloud metadata service" },
  { cidr: "127.0.0.0/8", why: "loopback" },
  { cidr: "168.63.129.16/32", why: "cloud platform service on a public address" },
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
