// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dp_arp: host peer, ingress, before dp_snat. Answers a container that asks for
 * its gateway's MAC; the host's stack hears no ARP from containers at all.
 *
 *  1. not ARP, or tagged for a VLAN                        next (dp_snat)
 *  2. no server behind this interface                      drop UNKNOWN_INTERFACE
 *  3. shorter than an ARP packet for IPv4 over Ethernet    drop TRUNCATED
 *  4. a request by the container, from its own address,
 *     for its host peer's address                          answered: redirect back
 *  5. all else: replies, probes (RFC 5227), gratuitous
 *     announcements, other addresses, other hardware       drop ARP
 */
#include "drop_count.h"
#include "packet.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* Every host peer has the same MAC: each container sees only its own. */
const volatile __u8 dp_host_peer_mac[ETH_ALEN] = { 0x7e, 0x90, 0xc4, 0xed, 0xdf, 0xd0 };

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
					   const struct dp_snat_target *target)
{
	return arp->hardware == bpf_htons(ARP_HARDWARE_ETHERNET) &&
	       arp->protocol == bpf_htons(ETH_P_IP) && arp->hardware_len == ETH_ALEN &&
	       arp->protocol_len == sizeof(__be32) && arp->operation == bpf_htons(ARP_REQUEST) &&
	       arp->sender_addr == target->addr && arp->target_addr == target->host_addr;
}

static __always_inline void answer(struct ethhdr *eth, struct arp_packet *arp,
				   const struct dp_snat_target *target)
{
	for (int i = 0; i < ETH_ALEN; i++) {
		eth->h_dest[i] = target->mac[i];
		eth->h_source[i] = dp_host_peer_mac[i];
		arp->target_mac[i] = target->mac[i];
		arp->sender_mac[i] = dp_host_peer_mac[i];
	}
	arp->operation = bpf_htons(ARP_REPLY);
	arp->target_addr = target->addr;
	arp->sender_addr = target->host_addr;
}

SEC("tc")
int dp_arp(struct __sk_buff *skb)
{
	__u32 host_peer = skb->ifindex;
	struct dp_snat_target *target;
	struct arp_packet *arp;
	struct ethhdr *eth;
	void *data, *end;

	if (skb->protocol != bpf_htons(ETH_P_ARP) || skb->vlan_present)
		return DP_NEXT;

	target = bpf_map_lookup_elem(&dp_snat_targets, &host_peer);
	if (!target)
		return dp_drop(host_peer, DP_DROP_UNKNOWN_INTERFACE);

	dp_pull_headers(skb);
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;

	eth = data;
	arp = (void *)(eth + 1);
	if ((void *)(arp + 1) > end)
		return dp_drop(host_peer, DP_DROP_TRUNCATED);
	if (!is_for_gateway(arp, target))
		return dp_drop(host_peer, DP_DROP_ARP);

	answer(eth, arp, target);
	return bpf_redirect(host_peer, 0);
}
