// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dp_arp: host peer, ingress, before dp_snat. Answers a container that asks for
 * its gateway's MAC; the host's stack gets no ARP from containers at all.
 *
 *  1. not ARP, or tagged for a VLAN                        next (dp_snat)
 *  2. no server has this host peer                         drop UNKNOWN_INTERFACE
 *  3. shorter than an ARP packet for IPv4 over Ethernet    drop TRUNCATED
 *  4. a request by the container, from its own address,
 *     for its gateway's address                            answered: redirect back
 *  5. anything else: replies, probes (RFC 5227), gratuitous
 *     announcements, other addresses, other hardware       drop ARP
 */
#include "lib/drop.h"
#include "lib/parse.h"
#include "maps/servers.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* All host peers have the same MAC (HOST_PEER_MAC in TypeScript): a container sees only its own host peer. */
static const __u8 host_peer_mac[ETH_ALEN] = { 0x7e, 0x90, 0xc4, 0xed, 0xdf, 0xd0 };

#define ARP_HARDWARE_ETHERNET 1
#define ARP_REQUEST 1
#define ARP_REPLY 2

/* RFC 826 for Ethernet and IPv4. Packed, as the addresses are not aligned. */
struct arp_packet {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_len;
	__u8 protocol_len;
	__be16 operation;
	__u8 sender_mac[ETH_ALEN];
	__be32 sender_addr;
	__u8 target_mac[ETH_ALEN];
	__be32 target_addr;
} __attribute__((packed));

/* Rule 4. */
static __always_inline bool is_for_gateway(const struct arp_packet *arp,
					   const struct dp_server *server)
{
	struct dp_addr sender = dp_addr_v4(arp->sender_addr);
	struct dp_addr target = dp_addr_v4(arp->target_addr);

	return arp->hardware == bpf_htons(ARP_HARDWARE_ETHERNET) &&
	       arp->protocol == bpf_htons(ETH_P_IP) && arp->hardware_len == ETH_ALEN &&
	       arp->protocol_len == sizeof(__be32) && arp->operation == bpf_htons(ARP_REQUEST) &&
	       dp_addr_equal(&sender, &server->addr[DP_IPV4]) &&
	       dp_addr_equal(&target, &server->gateway[DP_IPV4]);
}

static __always_inline void answer(struct ethhdr *eth, struct arp_packet *arp,
				   const struct dp_server *server)
{
	for (int i = 0; i < ETH_ALEN; i++) {
		eth->h_dest[i] = server->mac[i];
		eth->h_source[i] = host_peer_mac[i];
		arp->target_mac[i] = server->mac[i];
		arp->sender_mac[i] = host_peer_mac[i];
	}
	arp->operation = bpf_htons(ARP_REPLY);
	arp->target_addr = dp_v4(&server->addr[DP_IPV4]);
	arp->sender_addr = dp_v4(&server->gateway[DP_IPV4]);
}

SEC("tc")
int dp_arp(struct __sk_buff *skb)
{
	__u32 host_peer = skb->ifindex;
	struct dp_server *server;
	struct dp_packet packet;
	struct arp_packet *arp;

	if (skb->protocol != bpf_htons(ETH_P_ARP) || skb->vlan_present)
		return DP_NEXT;

	server = bpf_map_lookup_elem(&dp_servers, &host_peer);
	if (!server)
		return dp_drop_packet(0, DP_DROP_UNKNOWN_INTERFACE);

	if (dp_parse_ethernet(skb, &packet, DP_HEADERS))
		return dp_drop_packet(server->id, DP_DROP_TRUNCATED);
	arp = dp_take(&packet.cursor, sizeof(*arp));
	if (!arp)
		return dp_drop_packet(server->id, DP_DROP_TRUNCATED);
	if (!is_for_gateway(arp, server))
		return dp_drop_packet(server->id, DP_DROP_ARP);

	answer(packet.eth, arp, server);
	return bpf_redirect(host_peer, 0);
}
