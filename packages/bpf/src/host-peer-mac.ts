/** The MAC of every host peer, which `dp_arp` answers containers with: `host_peer_mac` of bpf/arp.bpf.c. */
export const HOST_PEER_MAC = "7e:90:c4:ed:df:d0";
