// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dp_dnat: uplink, ingress. A packet from a player to a public endpoint is given
 * the container's MAC, address and port, and enters the container's interface
 * directly (bpf_redirect_peer).
 *
 *  1. not addressed to this host's MAC                              next
 *  2. tagged for a VLAN (the VLAN's interface receives it again)    next
 *  3. not IPv4, or a malformed header                               next
 *  4. ICMP error to a public address that quotes a packet from this
 *     address to a player: translated, with the quoted packet       redirect
 *  5. not TCP                                                       next
 *  6. later fragment: its first fragment was redirected             redirect
 *                     otherwise                                     next
 *  7. no whole TCP header (truncated, or a tiny first fragment)     next
 *  8. no dp_endpoints entry for (protocol, destination address and
 *     port), a closed one, or the server's host peer is gone        next
 *  9. any other: translated. Stores the sender as a player, for
 *     dp_snat's rule 9, and a first fragment, for rule 6            redirect
 *
 * It drops nothing: packets that match no server are for the host.
 */
#include <linux/if_packet.h>

#include "lib/config.h"
#include "lib/fragment.h"
#include "lib/interfaces.h"
#include "lib/key.h"
#include "lib/parse.h"
#include "lib/players.h"
#include "lib/rewrite.h"
#include "lib/traffic.h"
#include "lib/verdict.h"
#include "maps/endpoints.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* Where packets to an open endpoint go. */
struct destination {
	struct dp_endpoint *endpoint;
	__u32 host_peer; /* ifindex */
};

/* Rule 8. */
static __always_inline bool find_destination(const struct dp_packet *packet, __u8 protocol,
					     __be16 port, struct destination *destination)
{
	struct dp_endpoint_key key DP_KEY;
	struct dp_endpoint *endpoint;

	dp_store_addr(&key.addr, &packet->dst);
	dp_store_key(&key.port, port | (__u32)protocol << 16 | (__u32)packet->family << 24);
	endpoint = bpf_map_lookup_elem(&dp_endpoints, &key);
	if (!endpoint || !endpoint->open)
		return false;
	destination->endpoint = endpoint;
	destination->host_peer = dp_host_peer_of(endpoint->server);
	return destination->host_peer;
}

/* For a packet that is translated. */
static __always_inline int deliver(struct __sk_buff *skb, const struct destination *destination)
{
	dp_count_in(destination->endpoint->counter, skb);
	return bpf_redirect_peer(destination->host_peer, 0);
}

/* Rule 4. */
static __noinline int icmp_error(struct __sk_buff *skb)
{
	struct destination destination;
	struct dp_endpoint *endpoint;
	struct dp_config *config;
	struct dp_packet packet;
	struct dp_quoted quoted;

	if (!dp_parse_icmp_error(skb, &packet, &quoted) || quoted.protocol != IPPROTO_TCP ||
	    !dp_addr_equal(&packet.dst, &quoted.src) ||
	    !find_destination(&packet, quoted.protocol, quoted.ports.source, &destination))
		return DP_NEXT;
	endpoint = destination.endpoint;
	config = dp_config_entry();
	if (!config || !dp_is_player(config, endpoint->server, &quoted.dst))
		return DP_NEXT;

	dp_set_destination_mac(&packet, endpoint->mac);
	dp_set_addr(&packet, DP_DESTINATION, &endpoint->container);
	dp_translate_quoted(&packet, &quoted, DP_SOURCE, &endpoint->container, endpoint->port);
	return deliver(skb, &destination);
}

/* Rule 6. Only the first fragment has the TCP checksum, and rule 9 has updated it. */
static __always_inline int later_fragment(struct __sk_buff *skb, struct dp_packet *packet)
{
	struct dp_fragment_key key = dp_fragment_key_of(packet);
	struct destination destination;
	struct dp_fragment *first;

	first = bpf_map_lookup_elem(&dp_fragments, &key);
	if (!first || !find_destination(packet, packet->protocol, first->port, &destination))
		return DP_NEXT;

	dp_set_destination_mac(packet, destination.endpoint->mac);
	dp_set_addr(packet, DP_DESTINATION, &destination.endpoint->container);
	return deliver(skb, &destination);
}

/* Deletes an old entry with the same id: later fragments of a packet for the host must not match it. */
static __always_inline void first_fragment(const struct dp_packet *packet, bool found)
{
	struct dp_fragment first = { .port = packet->ports.dest };
	struct dp_fragment_key key = dp_fragment_key_of(packet);

	if (found)
		bpf_map_update_elem(&dp_fragments, &key, &first, BPF_ANY);
	else
		bpf_map_delete_elem(&dp_fragments, &key);
}

SEC("tc")
int dp_dnat(struct __sk_buff *skb)
{
	struct destination destination;
	struct dp_endpoint *endpoint;
	struct dp_config *config;
	struct dp_packet packet;
	struct dp_ports ports;
	bool found;

	if (skb->pkt_type != PACKET_HOST || dp_is_vlan(skb))
		return DP_NEXT;
	if (dp_parse_ethernet(skb, &packet, DP_HEADERS) || dp_parse_ip(skb, &packet))
		return DP_NEXT;
	if (packet.protocol == IPPROTO_ICMP)
		return icmp_error(skb);
	if (packet.protocol != IPPROTO_TCP)
		return DP_NEXT;
	if (packet.is_later_fragment)
		return later_fragment(skb, &packet);
	if (dp_parse_transport(&packet))
		return DP_NEXT;

	found = find_destination(&packet, packet.protocol, packet.ports.dest, &destination);
	if (packet.is_first_fragment)
		first_fragment(&packet, found);
	if (!found)
		return DP_NEXT;
	endpoint = destination.endpoint;
	config = dp_config_entry();
	if (config)
		dp_player_seen(config, endpoint->server, &packet.src);

	dp_set_destination_mac(&packet, endpoint->mac);
	ports.source = packet.ports.source;
	ports.dest = endpoint->port;
	dp_translate(skb, &packet, DP_DESTINATION, &endpoint->container, ports);
	return deliver(skb, &destination);
}

/* Never attached: the loader runs it after it has replaced the player tables of servers with empty ones. */
SEC("tc")
int dp_start_players(struct __sk_buff *skb __attribute__((unused)))
{
	struct dp_config *config = dp_config_entry();

	if (!config)
		return 1;
	config->players_from = dp_player_now();
	return 0;
}
