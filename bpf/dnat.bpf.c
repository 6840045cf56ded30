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
 *     address to a player, and whose source is possible (rule 9):
 *     translated, with the quoted packet                        redirect
 *  5. not TCP                                                       next
 *  6. later fragment: its first fragment was redirected             redirect
 *                     otherwise                                     next
 *  7. no whole TCP header (truncated, or a tiny first fragment)     next
 *  8. no dp_endpoints entry for (protocol, destination address and
 *     port), a closed one, or the server's host peer is gone        next
 *  9. an impossible source: 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0 and
 *     above, or an address of a host peer, a container or the host  next
 *     not from a player, and neither a SYN nor the ACK or the RST
 *     of a handshake (lib/handshake.h)                              next
 * 10. first fragment with the id of another packet, or one more
 *     than its server may have in a second
 *     (lib/player_fragment.h)                                       next
 * 11. any other: translated                                         redirect
 *
 * It drops nothing: packets that match no server or no player are for the host.
 * The host's stack answers a TCP segment of an unknown connection with a reset. So
 * the connection of a player that is no longer in the server's table ends at once.
 */
#include <linux/if_packet.h>

#include "lib/config.h"
#include "lib/handshake.h"
#include "lib/interfaces.h"
#include "lib/key.h"
#include "lib/parse.h"
#include "lib/player_fragment.h"
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
	if (!config || dp_is_impossible_source(config, packet.family, &packet.src) ||
	    dp_is_impossible_source(config, packet.family, &quoted.dst) ||
	    !dp_is_player(config, endpoint->server, &quoted.dst))
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
	if (!first || !first->server || bpf_ktime_get_ns() - first->at >= dp_fragment_ns ||
	    !find_destination(packet, packet->protocol, first->port, &destination) ||
	    destination.endpoint->server != first->server)
		return DP_NEXT;

	dp_set_destination_mac(packet, destination.endpoint->mac);
	dp_set_addr(packet, DP_DESTINATION, &destination.endpoint->container);
	return deliver(skb, &destination);
}

/* Rule 9. */
static __always_inline bool is_admitted(const struct dp_packet *packet,
					const struct dp_endpoint *endpoint)
{
	struct dp_config *config = dp_config_entry();

	return config && !dp_is_impossible_source(config, packet->family, &packet->src) &&
	       dp_admit(config, endpoint->server, packet, endpoint->port);
}

/* Rule 10. Also stores first fragments for the host: their later fragments must not match an old entry. */
static __always_inline bool first_fragment(const struct dp_packet *packet, __u32 server)
{
	struct dp_fragment_key key = dp_fragment_key_of(packet);

	return dp_remember_fragment(&key, server, packet->ports.dest);
}

SEC("tc")
int dp_dnat(struct __sk_buff *skb)
{
	struct destination destination = {};
	struct dp_endpoint *endpoint;
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

	found = find_destination(&packet, packet.protocol, packet.ports.dest, &destination) &&
		is_admitted(&packet, destination.endpoint);
	if (packet.is_first_fragment &&
	    !first_fragment(&packet, found ? destination.endpoint->server : 0))
		return DP_NEXT;
	if (!found)
		return DP_NEXT;
	endpoint = destination.endpoint;

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
