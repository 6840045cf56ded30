// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dp_snat: host peer, ingress, after dp_arp: everything a container sends. A
 * reply to a player leaves by the forward's uplink with its public address and
 * port. Packets that dp_tproxy_container redirected go to the proxy. All other
 * packets are dropped, also when the container has removed dp_tproxy_container.
 *
 *  1. no server has this host peer                       drop UNKNOWN_INTERFACE
 *  2. ends inside a header                               drop TRUNCATED
 *  3. another source MAC than the container's            drop SPOOFED_MAC
 *  4. VLAN, IPv6, any other ethertype                    drop VLAN, IPV6, NOT_IP
 *  5. IPv4 lengths that contradict each other            drop MALFORMED
 *  6. another source address than the container's        drop SPOOFED_ADDRESS
 *  7. any fragment                                       drop FRAGMENT
 *  8. TCP to another container (to no address of the host)
 *      a. of the same group: to the container port of a
 *         forward, if dp_dnat's rule 9 would accept it;
 *         or from the container port of a forward to a
 *         player, as in rule 9                           redirect, into it
 *         if its host peer is gone                       drop GONE
 *         with the segments of rule 9g                   drop SEGMENTS
 *      b. anything else                                  drop EAST_WEST
 *  9. TCP from the container port of a forward (see reply())
 *      a. opening a connection                           drop FORWARD_SYN
 *      b. to an address that no player can have, and
 *         that is not the host's                         drop DESTINATION
 *      c. to an address that has completed no handshake
 *         with this server, or has sent it no TCP for
 *         hours (lib/players.h). Not the answers to a
 *         SYN: at most 8 SYN+ACKs, or a RST, without data
 *         (lib/handshake.h). The host completes
 *         handshakes, too (dp_tproxy_host, rule 4)       drop NOT_A_PLAYER
 *      d. to an address of the host                      pass
 *      e. with a wrong checksum offset (lib/rewrite.h)   drop MALFORMED
 *      f. if the forward's uplink is gone                drop GONE
 *      g. with segments longer than the uplink's MTU, or
 *         with more than 128 segments (lib/segments.h)   drop SEGMENTS
 *      h. to a player: translated                        redirect
 * 10. of a flow, to its listener on the gateway          pass
 *     a new connection, or a datagram, beyond the budget
 *     of its server (lib/proxy_budget.h)                 drop RATE
 * 11. ICMP echo request to the gateway                   pass
 * 12. ICMP error to a player that quotes a packet from
 *     this player to the container port of a forward:
 *     translated, with the quoted packet. To an address
 *     that is not a player only instead of the RST of
 *     rule 9c, and at most 128 bytes. Not
 *     "fragmentation needed": it would make the player
 *     send smaller packets to all servers at this public
 *     address                                            redirect
 *     with a wrong checksum offset                       drop MALFORMED
 *     if the forward's uplink is gone                    drop GONE
 * 13. anything else                                      drop TCP, UDP, ICMP, PROTOCOL
 *     TCP and UDP while an upgrade moves flows
 *     (lib/hold.h)                                       drop HELD
 * 14. would pass to the host, and has IP options         drop IP_OPTIONS
 *
 * A packet that passes is marked for dp_guard, which drops all other packets of
 * containers.
 *
 * Containers need no fragments, because TCP does path-MTU discovery; and later
 * fragments have no ports to check. IP options pass to players and to other
 * containers, but not to the host: it could follow a source route
 * (accept_source_route) and send the packet out of the uplink.
 */
#include "lib/proxy_budget.h"
#include "lib/config.h"
#include "lib/drop.h"
#include "lib/flow_key.h"
#include "lib/forward.h"
#include "lib/handshake.h"
#include "lib/hold.h"
#include "lib/interfaces.h"
#include "lib/parse.h"
#include "lib/passed.h"
#include "lib/rewrite.h"
#include "lib/segments.h"
#include "lib/traffic.h"
#include "maps/servers.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* Rule 14. */
static __always_inline int to_host(struct __sk_buff *skb, const struct dp_server *server,
				   const struct dp_packet *packet)
{
	if (packet->has_options)
		return dp_drop_packet(server->id, DP_DROP_IP_OPTIONS);
	skb->priority = DP_PASSED;
	return DP_PASS;
}

/* Rule 8a. A server of the group becomes a player by a handshake, as any other address does. */
static __always_inline bool is_for_group(const struct dp_config *config,
					 const struct dp_server *server,
					 const struct dp_server *other,
					 const struct dp_packet *packet)
{
	if (!server->group || other->group != server->group)
		return false;
	if (dp_find_forward(other, IPPROTO_TCP, packet->family, packet->ports.dest) &&
	    dp_admit(config, other->id, packet, packet->ports.dest))
		return true;
	return !dp_is_bare_syn(packet) &&
	       dp_find_forward(server, IPPROTO_TCP, packet->family, packet->ports.source) &&
	       dp_may_answer(config, server->id, packet);
}

/* Rule 8. */
static __always_inline int to_container(struct __sk_buff *skb, const struct dp_config *config,
					const struct dp_server *server, struct dp_packet *packet)
{
	struct dp_container *container;
	struct dp_addr addr DP_KEY;
	struct dp_server *other;
	__u32 host_peer;

	dp_store_addr(&addr, &packet->dst);
	container = bpf_map_lookup_elem(&dp_containers, &addr);
	if (!container)
		return dp_drop_packet(server->id, DP_DROP_EAST_WEST);
	other = bpf_map_lookup_elem(&dp_servers, &container->host_peer);
	if (!other || other->id != container->server ||
	    !is_for_group(config, server, other, packet))
		return dp_drop_packet(server->id, DP_DROP_EAST_WEST);
	host_peer = dp_host_peer_of(other->id);
	if (!host_peer)
		return dp_drop_packet(server->id, DP_DROP_GONE);
	if (!dp_segments_fit(skb, packet, host_peer))
		return dp_drop_packet(server->id, DP_DROP_SEGMENTS);
	dp_set_destination_mac(packet, other->mac);
	return bpf_redirect_peer(host_peer, 0);
}

/* Rule 9. */
static __always_inline int reply(struct __sk_buff *skb, const struct dp_config *config,
				 const struct dp_server *server, const struct dp_forward *forward,
				 struct dp_packet *packet)
{
	const struct dp_addr *player = &packet->dst;
	struct dp_ports ports;
	bool host;

	if (dp_is_bare_syn(packet))
		return dp_drop_packet(server->id, DP_DROP_FORWARD_SYN);
	host = dp_addr_equal(player, &server->gateway[packet->family]) ||
	       dp_is_host_addr(config, player);
	if (!host && dp_is_invalid_destination(config, packet->family, player))
		return dp_drop_packet(server->id, DP_DROP_DESTINATION);
	if (!dp_may_answer(config, server->id, packet))
		return dp_drop_packet(server->id, DP_DROP_NOT_A_PLAYER);
	if (host)
		return to_host(skb, server, packet);
	if (!dp_csum_is_sound(skb, packet, offsetof(struct tcphdr, check)))
		return dp_drop_packet(server->id, DP_DROP_MALFORMED);
	if (!dp_is_uplink(forward->uplink))
		return dp_drop_packet(server->id, DP_DROP_GONE);
	if (!dp_segments_fit(skb, packet, forward->uplink))
		return dp_drop_packet(server->id, DP_DROP_SEGMENTS);

	dp_count_out(forward->counter, skb);
	ports.source = dp_public_port(forward, packet->ports.source);
	ports.dest = packet->ports.dest;
	dp_translate(skb, packet, DP_SOURCE, &forward->public_addr, ports);
	return bpf_redirect_neigh(forward->uplink, NULL, 0, 0);
}

/* Rule 13: TCP and UDP that were not redirected. */
static __always_inline int not_redirected(const struct dp_config *config,
					  const struct dp_server *server,
					  enum dp_drop_reason reason)
{
	return dp_drop_packet(server->id, dp_flows_are_held(config) ? DP_DROP_HELD : reason);
}

/*
 * Rule 10: redirected by dp_tproxy_container, which made the flow. What a container
 * sends to a listener by itself has no original destination, and would only fill
 * the queues that all containers share. A flow keeps the listener that it began
 * with when the proxy's ports change.
 */
static __always_inline bool is_redirected(const struct dp_server *server,
					  const struct dp_packet *packet)
{
	struct dp_origin_key key DP_KEY;
	struct dp_origin *origin;

	if (!dp_addr_equal(&packet->dst, &server->gateway[packet->family]))
		return false;
	dp_set_origin_key(&key, server->id, packet->family, packet->protocol, packet->ports.source);
	origin = bpf_map_lookup_elem(&dp_origins, &key);
	return origin && origin->listener == packet->ports.dest;
}

/* Rule 10. */
static __always_inline int to_proxy(struct __sk_buff *skb, const struct dp_server *server,
				    const struct dp_packet *packet)
{
	bool is_datagram = packet->protocol == IPPROTO_UDP;

	if ((is_datagram || dp_is_bare_syn(packet)) &&
	    !dp_proxy_budget_spend(server->id, is_datagram))
		return dp_drop_packet(server->id, DP_DROP_RATE);
	return to_host(skb, server, packet);
}

/* Rule 12. */
static __noinline int icmp_error(struct __sk_buff *skb)
{
	__u32 host_peer = skb->ifindex;
	const struct dp_forward *forward;
	struct dp_server *server;
	struct dp_config *config;
	struct dp_packet packet;
	struct dp_quoted quoted;
	struct dp_addr *player = &packet.dst;

	server = bpf_map_lookup_elem(&dp_servers, &host_peer);
	config = dp_config_entry();
	if (!server || !config)
		return dp_drop_packet(0, DP_DROP_UNKNOWN_INTERFACE);
	if (!dp_parse_icmp_error(skb, &packet, &quoted) || quoted.protocol != IPPROTO_TCP ||
	    dp_is_fragmentation_needed(packet.icmp) || !dp_addr_equal(player, &quoted.src) ||
	    !dp_addr_equal(&quoted.dst, &server->addr[packet.family]))
		return dp_drop_packet(server->id, DP_DROP_ICMP);
	forward = dp_find_forward(server, IPPROTO_TCP, packet.family, quoted.ports.dest);
	if (!forward || dp_is_invalid_destination(config, packet.family, player) ||
	    dp_is_container_addr(config, packet.family, player) ||
	    dp_is_host_addr(config, player) || !dp_may_refuse(config, server->id, &packet, &quoted))
		return dp_drop_packet(server->id, DP_DROP_ICMP);
	if (!dp_csum_is_sound(skb, &packet, offsetof(struct dp_icmp, check)))
		return dp_drop_packet(server->id, DP_DROP_MALFORMED);
	if (!dp_is_uplink(forward->uplink))
		return dp_drop_packet(server->id, DP_DROP_GONE);

	dp_count_out(forward->counter, skb);
	dp_set_addr(&packet, DP_SOURCE, &forward->public_addr);
	dp_translate_quoted(&packet, &quoted, DP_DESTINATION, &forward->public_addr,
			    dp_public_port(forward, quoted.ports.dest));
	return bpf_redirect_neigh(forward->uplink, NULL, 0, 0);
}

/* Rules 8 to 10, and 13. */
static __always_inline int tcp(struct __sk_buff *skb, const struct dp_config *config,
			       const struct dp_server *server, struct dp_packet *packet)
{
	const struct dp_forward *forward;

	if (dp_is_container_addr(config, packet->family, &packet->dst) &&
	    !dp_is_host_addr(config, &packet->dst))
		return to_container(skb, config, server, packet);
	forward = dp_find_forward(server, IPPROTO_TCP, packet->family, packet->ports.source);
	if (forward)
		return reply(skb, config, server, forward, packet);
	if (is_redirected(server, packet))
		return to_proxy(skb, server, packet);
	return not_redirected(config, server, DP_DROP_TCP);
}

SEC("tc")
int dp_snat(struct __sk_buff *skb)
{
	__u32 host_peer = skb->ifindex;
	enum dp_drop_reason reason;
	struct dp_server *server;
	struct dp_config *config;
	struct dp_packet packet;

	server = bpf_map_lookup_elem(&dp_servers, &host_peer);
	config = dp_config_entry();
	if (!server || !config)
		return dp_drop_packet(0, DP_DROP_UNKNOWN_INTERFACE);

	reason = dp_parse_ethernet(skb, &packet, DP_HEADERS);
	if (reason)
		return dp_drop_packet(server->id, reason);
	if (!dp_mac_equal(packet.eth->h_source, server->mac))
		return dp_drop_packet(server->id, DP_DROP_SPOOFED_MAC);
	if (skb->vlan_present)
		return dp_drop_packet(server->id, DP_DROP_VLAN);
	reason = dp_parse_ip(skb, &packet);
	if (reason)
		return dp_drop_packet(server->id, reason);
	if (!dp_addr_equal(&packet.src, &server->addr[packet.family]))
		return dp_drop_packet(server->id, DP_DROP_SPOOFED_ADDRESS);
	if (packet.is_first_fragment || packet.is_later_fragment)
		return dp_drop_packet(server->id, DP_DROP_FRAGMENT);
	reason = dp_parse_transport(&packet);
	if (reason)
		return dp_drop_packet(server->id, reason);

	switch (packet.protocol) {
	case IPPROTO_TCP:
		return tcp(skb, config, server, &packet);
	case IPPROTO_UDP:
		if (is_redirected(server, &packet))
			return to_proxy(skb, server, &packet);
		return not_redirected(config, server, DP_DROP_UDP);
	default:
		if (dp_addr_equal(&packet.dst, &server->gateway[packet.family]) &&
		    packet.icmp->type == DP_ICMP_ECHO)
			return to_host(skb, server, &packet);
		return icmp_error(skb);
	}
}
