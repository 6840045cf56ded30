/** Whose packets they are: addresses that mean something to a program, and some that mean nothing. */
import { A, B, HOST_ADDRESSES } from "@dp/test-kit/two-servers.ts";
import { SECOND_ADDRESS } from "./world.ts";

export const PLAYERS = ["198.51.100.7", "198.51.100.8", "1.0.0.0", "126.255.255.255", "223.255.255.255"] as const;
export const STRANGERS = ["192.0.2.200", "8.8.8.8"];
export const ROUTER = "192.0.2.254";
export const ODD_ADDRESSES = [
  "0.0.0.0",
  "0.1.2.3",
  "127.0.0.1",
  "224.0.0.1",
  "255.255.255.255",
  "10.1.255.255",
  "10.2.0.77",
];
export const OWN_ADDRESSES = [SECOND_ADDRESS, A.address, B.address, A.gateway, B.gateway, ...HOST_ADDRESSES];
export const ADDRESSES = [...PLAYERS, ...STRANGERS, ROUTER, ...ODD_ADDRESSES, ...OWN_ADDRESSES];

export const isHostPeers = (address: string) => address.startsWith("10.1.");
export const isContainers = (address: string) => address.startsWith("10.2.");
