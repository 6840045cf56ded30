// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dp_dnat: uplink, ingress. Packets from players to a server's public address
 * and port are given the container's address, game port and MAC, and enter the
 * container's interface directly (bpf_redirect_peer).
 *
 *  1. not addressed to this host's MAC                              next
 *  2. tagged for a VLAN (its packets come again on its interface)   next
 *  3. not IPv4, or a header that contradicts itself                 next
 *  4. ICMP error that quotes what a server sent to a player, and is
 *     for its public address: translated, and what it quotes        redirect
 *  5. not TCP                                                       next
 *  6. later fragment: of a datagram rule 9 sent on                  redirect
 *                     of any other                                  next
 *  7. no whole TCP header (truncated, or a tiny first fragment)     next
 *  8. no server at (destination address, destination port), or the
 *     interface of its container is gone                            next
 *  9. a server's: translated (a first fragment is remembered, and
 *     the sender as a player: dp_snat's rule 9)                     redirect
 *
 * It drops nothing: what is not a server's is the host's own.
 */
#include "devices.h"
#include "fragment.h"
#include "icmp.h"
#include "packet.h"
#include "players.h"
#include "verdict.h"

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline int deliver(struct __sk_buff *skb, struct dp_dnat_target *target,
				   __u32 host_peer)
{
	dp_count(&target->traffic, skb);
	return bpf_redirect_peer(host_peer, 0);
}

/* Rule 4. */
static __noinline int icmp_error(struct __sk_buff *skb)
{
	struct dp_dnat_target *target;
	struct dp_public_key key = {};
	struct dp_icmp_error error;
	struct dp_config *config;
	struct ethhdr *eth;
	__u32 host_peer;
	__u32 zero = 0;

	if (!dp_icmp_error_parse(skb, &error, false) || error.ip->daddr != error.quoted->saddr)
		return DP_NEXT;
	key.addr = error.quoted->saddr;
	key.port = error.l4->source;
	target = bpf_map_lookup_elem(&dp_dnat_targets, &key);
	config = bpf_map_lookup_elem(&dp_configs, &zero);
	if (!target || !config || !dp_is_player(config, target->addr, error.quoted->daddr))
		return DP_NEXT;
	host_peer = dp_host_peer_of(target->addr);
	if (!host_peer)
		return DP_NEXT;

	eth = (void *)error.ip - ETH_HLEN;
	__builtin_memcpy(eth->h_dest, target->mac, ETH_ALEN);
	dp_ipv4_set_addr(error.ip, &error.ip->daddr, target->addr);
	dp_icmp_set_quoted(&error, &error.quoted->saddr, target->addr, &error.l4->source,
			   target->port);
	return deliver(skb, target, host_peer);
}

/* Rule 6. The TCP checksum is in the first fragment, and was set right there for all of them. */
static __noinline int later_fragment(struct __sk_buff *skb, struct ethhdr *eth, struct iphdr *ip)
{
	struct dp_fragment_key fragment = dp_fragment_key_of(ip);
	struct dp_public_key key = { .addr = ip->daddr };
	struct dp_dnat_target *target;
	struct dp_fragment *first;
	__u32 host_peer;

	first = bpf_map_lookup_elem(&dp_fragments, &fragment);
	if (!first)
		return DP_NEXT;
	key.port = first->port;
	target = bpf_map_lookup_elem(&dp_dnat_targets, &key);
	if (!target)
		return DP_NEXT;
	host_peer = dp_host_peer_of(target->addr);
	if (!host_peer)
		return DP_NEXT;

	__builtin_memcpy(eth->h_dest, target->mac, ETH_ALEN);
	dp_ipv4_set_addr(ip, &ip->daddr, target->addr);
	return deliver(skb, target, host_peer);
}

/* A datagram of the host's own must not inherit what an earlier one of the same id left behind. */
static __always_inline void first_fragment(const struct iphdr *ip, __be16 port,
					   const struct dp_dnat_target *target)
{
	struct dp_fragment_key fragment = dp_fragment_key_of(ip);
	struct dp_fragment first = { .port = port };

	if (target)
		bpf_map_update_elem(&dp_fragments, &fragment, &first, BPF_ANY);
	else
		bpf_map_delete_elem(&dp_fragments, &fragment);
}

SEC("tc")
int dp_dnat(struct __sk_buff *skb)
{
	struct dp_dnat_target *target;
	struct dp_public_key key = {};
	struct dp_ports old, ports;
	struct dp_config *config;
	struct ethhdr *eth;
	struct tcphdr *tcp;
	struct iphdr *ip;
	__u32 host_peer;
	__u32 zero = 0;
	__u32 l4_off;
	void *data, *end;

	if (skb->pkt_type != PACKET_HOST || dp_is_vlan(skb))
		return DP_NEXT;

	dp_pull_headers(skb);
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;

	eth = data;
	ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > end)
		return DP_NEXT;
	if (eth->h_proto != bpf_htons(ETH_P_IP))
		return DP_NEXT;
	if (ip->protocol == IPPROTO_ICMP)
		return icmp_error(skb);
	if (ip->protocol != IPPROTO_TCP)
		return DP_NEXT;
	if (ip->frag_off & DP_IP_OFFSET)
		return dp_ipv4_is_sound(skb, ip, 0) ? later_fragment(skb, eth, ip) : DP_NEXT;

	l4_off = ETH_HLEN + dp_ipv4_header_len(ip);
	tcp = data + l4_off;
	if ((void *)(tcp + 1) > end)
		return DP_NEXT;

	key.addr = ip->daddr;
	key.port = tcp->dest;
	target = bpf_map_lookup_elem(&dp_dnat_targets, &key);
	/* Most of what a host gets is nobody's: of that, the rest of rule 7 is not asked for. */
	if (!target && !(ip->frag_off & DP_IP_MORE_FRAGMENTS))
		return DP_NEXT;
	if (!dp_ipv4_is_sound(skb, ip, sizeof(*tcp)))
		return DP_NEXT;
	if (ip->frag_off & DP_IP_MORE_FRAGMENTS)
		first_fragment(ip, key.port, target);
	if (!target)
		return DP_NEXT;
	host_peer = dp_host_peer_of(target->addr);
	if (!host_peer)
		return DP_NEXT;
	config = bpf_map_lookup_elem(&dp_configs, &zero);
	if (config)
		dp_player_seen(config, target->addr, ip->saddr);

	__builtin_memcpy(eth->h_dest, target->mac, ETH_ALEN);
	dp_ipv4_set_addr(ip, &ip->daddr, target->addr);
	old.source = ports.source = tcp->source;
	old.dest = key.port;
	ports.dest = target->port;
	tcp->dest = ports.dest;
	dp_tcp_csum(skb, tcp, l4_off, key.addr, target->addr, old, ports);
	return deliver(skb, target, host_peer);
}

/* Never attached: the loader runs it once it has made dp_players on a host with servers. */
SEC("tc")
int dp_start_players(struct __sk_buff *skb __attribute__((unused)))
{
	struct dp_config *config;
	__u32 zero = 0;

	config = bpf_map_lookup_elem(&dp_configs, &zero);
	if (!config)
		return 1;
	config->players_from = dp_player_now();
	return 0;
}
