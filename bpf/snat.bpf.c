// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dp_snat: host peer, ingress, after dp_arp: everything a container sends. A
 * reply to a player leaves by the uplink under the public address and port;
 * what the container-side program redirected goes to the proxy; nothing else
 * gets past here, whether or not that program is there.
 *
 *  1. no server behind this interface                    drop UNKNOWN_INTERFACE
 *  2. ends inside a header it announced                  drop TRUNCATED
 *  3. another source MAC than the container's            drop SPOOFED_MAC
 *  4. VLAN, IPv6, any other ethertype                    drop VLAN, IPV6, NOT_IP
 *  5. IPv4 lengths that contradict each other            drop MALFORMED
 *  6. another source address than the container's        drop SPOOFED_ADDRESS
 *  7. any fragment                                       drop FRAGMENT
 *  8. TCP to another container (where no address of the host is)
 *      a. of the same group, to its game port, or from
 *         the own game port and opening nothing          redirect, into it
 *         where it is gone                               drop GONE
 *      b. anything else                                  drop EAST_WEST
 *  9. TCP from the game port (see reply())
 *      a. opening a connection                           drop GAME_PORT_SYN
 *      b. to an address of the host                      pass
 *      c. to a destination no player has                 drop DESTINATION
 *      d. to an address that has sent this server no
 *         TCP for hours (players.h)                      drop NOT_A_PLAYER
 *      e. whose checksum would be written somewhere else drop MALFORMED
 *      f. where the uplink is gone                       drop GONE
 *      g. to a player: translated                        redirect
 * 10. to a listener of the proxy, on this host peer      pass
 * 11. ICMP echo request to this host peer                pass
 * 12. ICMP error that quotes what a player sent to the
 *     game port, and is for that player: translated, and
 *     what it quotes                                     redirect
 *     whose checksum would be written somewhere else     drop MALFORMED
 *     where the uplink is gone                           drop GONE
 * 13. everything else                                    drop TCP, UDP, ICMP, PROTOCOL
 *     TCP and UDP while an upgrade moves flows (hold.h)  drop HELD
 * 14. what would pass to the host has IP options         drop IP_OPTIONS
 *
 * What passes is marked for dp_guard, which lets nothing else of a container
 * into the host's stack.
 *
 * A container does not fragment what it sends: TCP does path-MTU discovery, and
 * a fragment could hide its ports. IP options are carried to players and other
 * containers. The host could obey a source route (accept_source_route), and
 * what it sends on or answers would leave by the uplink.
 */
#include "devices.h"
#include "drop_count.h"
#include "flow_maps.h"
#include "hold.h"
#include "icmp.h"
#include "packet.h"
#include "passed.h"
#include "players.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/*
 * 0.0.0.0/8, 127.0.0.0/8, and from 224.0.0.0 up: multicast, reserved, broadcast.
 * And other servers' host peers, which are nobody's outside this host.
 */
static __always_inline bool is_no_players(const struct dp_config *config, __be32 addr)
{
	__u8 first = bpf_ntohl(addr) >> 24;

	return first == 0 || first == 127 || first >= 224 ||
	       (addr & config->host_mask) == config->host_subnet;
}

/* An address of the host itself: the last octet tells almost always that it is not. */
static __always_inline bool is_host(const struct dp_config *config, __be32 addr)
{
	__u8 last = bpf_ntohl(addr);

	return config->host_octets[last / 64] & (1ULL << (last % 64)) &&
	       bpf_map_lookup_elem(&dp_host_addrs, &addr);
}

static __always_inline bool is_container(const struct dp_config *config, __be32 addr)
{
	return (addr & config->container_mask) == config->container_subnet;
}

/* Rule 14. */
static __always_inline int to_host(struct __sk_buff *skb, const struct iphdr *ip)
{
	if (ip->ihl != 5)
		return dp_drop(skb->ifindex, DP_DROP_IP_OPTIONS);
	skb->priority = DP_PASSED;
	return DP_PASS;
}

/* Rule 8. */
static __always_inline int to_container(struct __sk_buff *skb, const struct dp_snat_target *target,
					struct ethhdr *eth, const struct iphdr *ip,
					const struct tcphdr *tcp)
{
	struct dp_veth_pair *other;
	__be32 addr = ip->daddr;
	__u32 host_peer;
	bool answers;

	other = bpf_map_lookup_elem(&dp_veth_pairs, &addr);
	if (!other || target->group == 0 || other->group != target->group)
		return dp_drop(skb->ifindex, DP_DROP_EAST_WEST);
	answers = tcp->source == target->game_port && !dp_is_bare_syn(tcp);
	if (tcp->dest != other->game_port && !answers)
		return dp_drop(skb->ifindex, DP_DROP_EAST_WEST);
	host_peer = dp_host_peer_of(addr);
	if (!host_peer)
		return dp_drop(skb->ifindex, DP_DROP_GONE);
	__builtin_memcpy(eth->h_dest, other->mac, ETH_ALEN);
	return bpf_redirect_peer(host_peer, 0);
}

/* Rule 9. */
static __always_inline int reply(struct __sk_buff *skb, const struct dp_config *config,
				 struct dp_snat_target *target, struct iphdr *ip,
				 struct tcphdr *tcp, __u32 l4_off)
{
	__be32 player = ip->daddr;
	struct dp_ports old, ports;

	if (dp_is_bare_syn(tcp))
		return dp_drop(skb->ifindex, DP_DROP_GAME_PORT_SYN);
	if (player == target->host_addr || is_host(config, player))
		return to_host(skb, ip);
	if (is_no_players(config, player))
		return dp_drop(skb->ifindex, DP_DROP_DESTINATION);
	if (!dp_is_player(config, target->addr, player))
		return dp_drop(skb->ifindex, DP_DROP_NOT_A_PLAYER);
	if (!dp_csum_is_sound(skb, l4_off, offsetof(struct tcphdr, check)))
		return dp_drop(skb->ifindex, DP_DROP_MALFORMED);
	if (!dp_is_uplink(target->uplink))
		return dp_drop(skb->ifindex, DP_DROP_GONE);

	dp_count(&target->traffic, skb);
	dp_ipv4_set_addr(ip, &ip->saddr, target->public_addr);
	old.source = target->game_port;
	old.dest = ports.dest = tcp->dest;
	ports.source = target->public_port;
	tcp->source = ports.source;
	dp_tcp_csum(skb, tcp, l4_off, target->addr, target->public_addr, old, ports);
	return bpf_redirect_neigh(target->uplink, NULL, 0, 0);
}

/* Rule 13: what was not redirected. */
static __always_inline int around_proxy(const struct dp_config *config, __u32 host_peer,
					enum dp_drop reason)
{
	return dp_drop(host_peer, dp_flows_are_held(config) ? DP_DROP_HELD : reason);
}

/* Rule 10. A flow keeps the listener it began with when the ports are changed under it. */
static __always_inline bool is_for_proxy(const struct dp_config *config,
					 const struct dp_snat_target *target,
					 const struct iphdr *ip, __be16 sport, __be16 port)
{
	struct dp_origin_key key = {
		.container = target->addr,
		.sport = sport,
		.protocol = ip->protocol,
	};
	struct dp_origin *origin;

	if (ip->daddr != target->host_addr || !port) /* 0 where nothing is configured yet */
		return false;
	if (port == config->dns_port)
		return true;
	if (ip->protocol == IPPROTO_TCP && (port == config->http_port || port == config->tcp_port))
		return true;
	origin = bpf_map_lookup_elem(&dp_origins, &key);
	return origin && origin->listener == port;
}

/* Rule 12. */
static __noinline int icmp_error(struct __sk_buff *skb)
{
	__u32 host_peer = skb->ifindex;
	struct dp_snat_target *target;
	struct dp_icmp_error error;
	struct dp_config *config;
	__u32 zero = 0;
	__be32 player;
	__u32 l4_off;

	target = bpf_map_lookup_elem(&dp_snat_targets, &host_peer);
	config = bpf_map_lookup_elem(&dp_configs, &zero);
	if (!target || !config || !dp_icmp_error_parse(skb, &error, false))
		return dp_drop(host_peer, DP_DROP_ICMP);
	player = error.ip->daddr;
	if (error.quoted->saddr != player || error.quoted->daddr != target->addr ||
	    error.l4->dest != target->game_port)
		return dp_drop(host_peer, DP_DROP_ICMP);
	if (is_no_players(config, player) || is_container(config, player) ||
	    is_host(config, player) || !dp_is_player(config, target->addr, player))
		return dp_drop(host_peer, DP_DROP_ICMP);
	l4_off = ETH_HLEN + dp_ipv4_header_len(error.ip);
	if (!dp_csum_is_sound(skb, l4_off, offsetof(struct dp_icmp, check)))
		return dp_drop(host_peer, DP_DROP_MALFORMED);
	if (!dp_is_uplink(target->uplink))
		return dp_drop(host_peer, DP_DROP_GONE);

	dp_count(&target->traffic, skb);
	dp_ipv4_set_addr(error.ip, &error.ip->saddr, target->public_addr);
	dp_icmp_set_quoted(&error, &error.quoted->daddr, target->public_addr, &error.l4->dest,
			   target->public_port);
	return bpf_redirect_neigh(target->uplink, NULL, 0, 0);
}

SEC("tc")
int dp_snat(struct __sk_buff *skb)
{
	__u32 host_peer = skb->ifindex;
	struct dp_snat_target *target;
	struct dp_config *config;
	struct dp_icmp *icmp;
	struct udphdr *udp;
	struct tcphdr *tcp;
	struct ethhdr *eth;
	struct iphdr *ip;
	void *data, *end;
	__u32 zero = 0;
	__u32 l4_off;

	target = bpf_map_lookup_elem(&dp_snat_targets, &host_peer);
	config = bpf_map_lookup_elem(&dp_configs, &zero);
	if (!target || !config)
		return dp_drop(host_peer, DP_DROP_UNKNOWN_INTERFACE);

	dp_pull_headers(skb);
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;

	eth = data;
	if ((void *)(eth + 1) > end)
		return dp_drop(host_peer, DP_DROP_TRUNCATED);
	if (!dp_mac_equal(eth->h_source, target->mac))
		return dp_drop(host_peer, DP_DROP_SPOOFED_MAC);
	if (skb->vlan_present || eth->h_proto == bpf_htons(ETH_P_8021Q) ||
	    eth->h_proto == bpf_htons(ETH_P_8021AD))
		return dp_drop(host_peer, DP_DROP_VLAN);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return dp_drop(host_peer, DP_DROP_IPV6);
	if (eth->h_proto != bpf_htons(ETH_P_IP))
		return dp_drop(host_peer, DP_DROP_NOT_IP);

	ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > end)
		return dp_drop(host_peer, DP_DROP_TRUNCATED);
	if (!dp_ipv4_is_sound(skb, ip, 0))
		return dp_drop(host_peer, DP_DROP_MALFORMED);
	if (ip->saddr != target->addr)
		return dp_drop(host_peer, DP_DROP_SPOOFED_ADDRESS);
	if (ip->frag_off & (DP_IP_OFFSET | DP_IP_MORE_FRAGMENTS))
		return dp_drop(host_peer, DP_DROP_FRAGMENT);

	l4_off = ETH_HLEN + dp_ipv4_header_len(ip);

	switch (ip->protocol) {
	case IPPROTO_TCP:
		tcp = data + l4_off;
		if ((void *)(tcp + 1) > end || !dp_ipv4_is_sound(skb, ip, sizeof(*tcp)))
			return dp_drop(host_peer, DP_DROP_TRUNCATED);
		if (is_container(config, ip->daddr) && !is_host(config, ip->daddr))
			return to_container(skb, target, eth, ip, tcp);
		if (tcp->source == target->game_port)
			return reply(skb, config, target, ip, tcp, l4_off);
		if (is_for_proxy(config, target, ip, tcp->source, tcp->dest))
			return to_host(skb, ip);
		return around_proxy(config, host_peer, DP_DROP_TCP);
	case IPPROTO_UDP:
		udp = data + l4_off;
		if ((void *)(udp + 1) > end || !dp_ipv4_is_sound(skb, ip, sizeof(*udp)))
			return dp_drop(host_peer, DP_DROP_TRUNCATED);
		if (is_for_proxy(config, target, ip, udp->source, udp->dest))
			return to_host(skb, ip);
		return around_proxy(config, host_peer, DP_DROP_UDP);
	case IPPROTO_ICMP:
		icmp = data + l4_off;
		if ((void *)(icmp + 1) > end || !dp_ipv4_is_sound(skb, ip, sizeof(*icmp)))
			return dp_drop(host_peer, DP_DROP_TRUNCATED);
		if (ip->daddr == target->host_addr && icmp->type == DP_ICMP_ECHO)
			return to_host(skb, ip);
		return icmp_error(skb);
	default:
		return dp_drop(host_peer, DP_DROP_PROTOCOL);
	}
}
