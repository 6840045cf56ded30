import { A, B, HOST_ADDRESSES } from "@dp/test-kit/two-servers.ts";

/** No packet from an uplink is from such an address (dp_dnat, rules 4 and 9). */
export const IMPOSSIBLE_SOURCES = [
  A.gateway,
  B.gateway,
  "10.1.0.1",
  "10.1.255.255",
  A.address,
  B.address,
  "10.2.0.1",
  "10.2.255.255",
  ...HOST_ADDRESSES,
  "0.0.0.0",
  "0.255.255.255",
  "127.0.0.1",
  "127.255.255.255",
  "224.0.0.1",
  "239.255.255.250",
  "240.0.0.1",
  "255.255.255.255",
] as const;
