// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a container opens goes to the transparent proxy on the host; the answers
 * come back as if from the original destination.
 *
 * dp_tproxy_container: container peer, egress (inside the container's network
 * namespace). It only redirects: dp_snat, on the host's side, where the
 * container cannot remove it, decides what passes.
 *
 *  1. not IPv4, tagged, fragment, truncated or malformed      next
 *  2. source address of no known container, or of a container
 *     in another network namespace (unless it is TCP that
 *     continues a flow)                                       next
 *  3. to the gateway, or to another container                 next
 *  4. TCP from the container port of a forward: a reply, or
 *     dp_snat's to drop                                       next
 *  5. TCP to port 25565 (servers reach each other directly)   next
 *  6. neither TCP nor UDP to port 53, or no listener is
 *     configured for it                                       next
 *  7. TCP that continues no flow of its own                   drop NO_FLOW
 *  8. a new flow (none is known, half of it is lost, or it is
 *     opened again when the proxy listens elsewhere):
 *     while an upgrade moves flows: dp_snat's to drop         next
 *     more than one server, or all together, may have, or no
 *     port free                                               drop FLOWS
 *  9. TCP 80 -> HTTP listener, 53 -> DNS listener,
 *     all other TCP -> TCP listener                           next, rewritten
 *
 * dp_tproxy_host: host peer, egress. The way back.
 *
 *  1. no server has this host peer, or not to its container   next
 *  2. later fragment of a datagram (UDP) that rule 5 rewrote  next, rewritten
 *  3. ICMP error of a host peer that quotes what went to its
 *     listener, of a flow: as if from the original
 *     destination, and what it quotes                         next, rewritten
 *  4. from no listener on a host peer, or of no flow          next
 *     TCP of the host to the container port of a forward:
 *     noted as of a player (lib/handshake.h)
 *  5. of a flow: the original source and port (of a first
 *     fragment of UDP, which is remembered, too); the proxy's
 *     reset ends a flow that is opening                       next, rewritten
 *
 * dp_start_sweep: run by the loader until it returns 0. Gets the memory that
 * flows without timers rely on while there is time to wait for it.
 */
#include "lib/config.h"
#include "lib/drop.h"
#include "lib/flow.h"
#include "lib/forward.h"
#include "lib/fragment.h"
#include "lib/handshake.h"
#include "lib/kernel.h"
#include "lib/parse.h"
#include "lib/rewrite.h"
#include "maps/servers.h"

char _license[] SEC("license") = "Dual BSD/GPL";

#define HTTP bpf_htons(80)
#define DNS bpf_htons(53)
#define MINECRAFT bpf_htons(25565)

/* False unless it is IP with a whole, sound header. */
static __always_inline bool parse_ip(struct __sk_buff *skb, struct dp_packet *packet)
{
	return !dp_parse_ethernet(skb, packet, DP_HEADERS) && !dp_parse_ip(skb, packet);
}

/* False unless it is TCP or UDP with a whole header. Not for later fragments, which have none. */
static __always_inline bool parse_ports(struct dp_packet *packet)
{
	return (packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP) &&
	       !dp_parse_transport(packet);
}

/* The server that has this source address. */
static __always_inline struct dp_server *sender(const struct dp_packet *packet)
{
	struct dp_container *container;
	struct dp_server *server;
	struct dp_addr addr DP_KEY;

	dp_store_addr(&addr, &packet->src);
	container = bpf_map_lookup_elem(&dp_containers, &addr);
	if (!container)
		return NULL;
	server = bpf_map_lookup_elem(&dp_servers, &container->host_peer);
	return server && server->id == container->server ? server : NULL;
}

/* Rules 4 to 6 of dp_tproxy_container: the proxy's port for this packet; 0 when it is not redirected. */
static __always_inline __be16 listener_for(const struct dp_config *config,
					   const struct dp_server *server,
					   const struct dp_packet *packet)
{
	__be16 port = packet->ports.dest;

	if (!packet->tcp)
		return port == DNS ? config->dns_port : 0;
	if (dp_find_forward(server, IPPROTO_TCP, packet->family, packet->ports.source) ||
	    port == MINECRAFT)
		return 0;
	if (port == HTTP)
		return config->http_port;
	if (port == DNS)
		return config->dns_port;
	return config->tcp_port;
}

/*
 * Whether the packet is in the network namespace of the container that has the
 * source address. Without this check any container could write any address, and
 * use up the flows of another.
 */
static __always_inline bool is_in_own_netns(struct __sk_buff *ctx, const struct dp_server *server)
{
	struct sk_buff *skb = (void *)ctx;

	return BPF_CORE_READ(skb, dev, nd_net.net, net_cookie) == server->netns_cookie;
}

SEC("tc")
int dp_tproxy_container(struct __sk_buff *skb)
{
	struct dp_flow_key key DP_KEY;
	struct dp_config *config;
	struct dp_server *server;
	struct dp_packet packet;
	struct dp_ports ports;
	struct dp_flow flow;
	__be16 listener;
	bool opens;

	if (skb->vlan_present || !parse_ip(skb, &packet))
		return DP_NEXT;
	if (packet.is_first_fragment || packet.is_later_fragment || !parse_ports(&packet))
		return DP_NEXT;

	server = sender(&packet);
	config = dp_config_entry();
	if (!server || !config)
		return DP_NEXT;
	if (dp_addr_equal(&packet.dst, &server->gateway[packet.family]) ||
	    dp_is_container(config, packet.family, &packet.dst))
		return DP_NEXT;
	listener = listener_for(config, server, &packet);
	if (!listener)
		return DP_NEXT;
	opens = !packet.tcp || dp_is_bare_syn(&packet);
	if (opens && !is_in_own_netns(skb, server))
		return DP_NEXT;

	dp_set_flow_key(&key, server->id, packet.family, packet.protocol, &packet.dst,
			packet.ports.source, packet.ports.dest);
	switch (dp_flow_of(&key, listener, opens, &flow)) {
	case DP_FLOW_NONE:
		/* Counted for the container that sends it: a spoofed source is dp_snat's to drop. */
		if (!is_in_own_netns(skb, server))
			return DP_NEXT;
		return dp_drop_packet(server->id, DP_DROP_NO_FLOW);
	case DP_FLOW_FULL:
		return dp_drop_packet(server->id, DP_DROP_FLOWS);
	case DP_FLOW_HELD:
		return DP_NEXT;
	case DP_FLOW_FOUND:
		break;
	}

	ports.source = flow.sport;
	ports.dest = flow.listener;
	dp_translate(skb, &packet, DP_DESTINATION, &server->gateway[packet.family], ports);
	return DP_NEXT;
}

/*
 * A listener is on a host peer's address. Any sender that can reach the
 * container may send from the same port: such a packet must not look as if it
 * came from the flow's original destination.
 */
static __always_inline bool is_from_host_peer(const struct dp_packet *packet)
{
	struct dp_config *config = dp_config_entry();

	return config && dp_is_host_peer(config, packet->family, &packet->src);
}

/*
 * Rule 3. Where no process listens, the host refuses a datagram by such an error
 * (and a connection by a reset, unless a firewall does). The container's socket
 * has to recognize it, or waits in vain.
 */
static __noinline int icmp_error(struct __sk_buff *skb)
{
	__u32 host_peer = skb->ifindex;
	struct dp_origin_key key DP_KEY;
	struct dp_origin *origin;
	struct dp_server *server;
	struct dp_packet packet;
	struct dp_quoted quoted;

	server = bpf_map_lookup_elem(&dp_servers, &host_peer);
	if (!server || !dp_parse_icmp_error(skb, &packet, &quoted) ||
	    !dp_addr_equal(&packet.dst, &quoted.src) || !dp_addr_equal(&packet.src, &quoted.dst))
		return DP_NEXT;
	dp_set_origin_key(&key, server->id, packet.family, quoted.protocol, quoted.ports.source);
	origin = bpf_map_lookup_elem(&dp_origins, &key);
	if (!origin || origin->listener != quoted.ports.dest || !is_from_host_peer(&packet))
		return DP_NEXT;

	dp_set_addr(&packet, DP_SOURCE, &origin->dst);
	dp_translate_quoted(&packet, &quoted, DP_DESTINATION, &origin->dst, origin->dport);
	dp_translate_quoted(&packet, &quoted, DP_SOURCE, &packet.dst, origin->sport);
	return DP_NEXT;
}

/* Rule 2. The checksum is in the first fragment, where it was updated for all of them. */
static __always_inline int later_fragment(struct dp_packet *packet)
{
	struct dp_fragment_key key = dp_fragment_key_of(packet);
	struct dp_answer_source *source;

	source = bpf_map_lookup_elem(&dp_answer_frags, &key);
	if (source)
		dp_set_addr(packet, DP_SOURCE, &source->addr);
	return DP_NEXT;
}

/* Later fragments of a datagram that is no answer must not follow an earlier datagram of the same id. */
static __always_inline void first_fragment(const struct dp_packet *packet,
					   const struct dp_origin *origin)
{
	struct dp_fragment_key key = dp_fragment_key_of(packet);
	struct dp_answer_source source;

	if (origin) {
		source.addr = origin->dst;
		bpf_map_update_elem(&dp_answer_frags, &key, &source, BPF_ANY);
	} else {
		bpf_map_delete_elem(&dp_answer_frags, &key);
	}
}

/*
 * Rule 4. The host is trusted: its packets pass, whatever they are. What the
 * container answers is dp_snat's to judge. Rare: so it reads the packet again.
 */
static __noinline int note_host(struct __sk_buff *skb)
{
	struct dp_config *config = dp_config_entry();
	__u32 host_peer = skb->ifindex;
	struct dp_server *server;
	struct dp_packet packet;

	server = bpf_map_lookup_elem(&dp_servers, &host_peer);
	if (!server || !config || !parse_ip(skb, &packet) || packet.protocol != IPPROTO_TCP ||
	    packet.is_first_fragment || packet.is_later_fragment || dp_parse_transport(&packet))
		return DP_NEXT;
	if (dp_find_forward(server, IPPROTO_TCP, packet.family, packet.ports.dest))
		dp_admit(config, server->id, &packet, packet.ports.dest);
	return DP_NEXT;
}

SEC("tc")
int dp_tproxy_host(struct __sk_buff *skb)
{
	__u32 host_peer = skb->ifindex;
	struct dp_origin_key key DP_KEY;
	struct dp_origin *origin;
	struct dp_server *server;
	struct dp_packet packet;
	struct dp_ports ports;
	bool reset;

	if (!parse_ip(skb, &packet))
		return DP_NEXT;
	server = bpf_map_lookup_elem(&dp_servers, &host_peer);
	if (!server || !dp_addr_equal(&packet.dst, &server->addr[packet.family]))
		return DP_NEXT;
	if (packet.is_later_fragment)
		return later_fragment(&packet);
	if (packet.protocol == IPPROTO_ICMP)
		return icmp_error(skb);
	if (!parse_ports(&packet))
		return DP_NEXT;

	dp_set_origin_key(&key, server->id, packet.family, packet.protocol, packet.ports.dest);
	origin = bpf_map_lookup_elem(&dp_origins, &key);
	if (origin && (packet.ports.source != origin->listener || !is_from_host_peer(&packet)))
		origin = NULL;
	if (packet.is_first_fragment && !packet.tcp)
		first_fragment(&packet, origin);
	if (!origin)
		return packet.protocol == IPPROTO_TCP ? note_host(skb) : DP_NEXT;

	reset = packet.tcp && packet.tcp->rst;
	ports.source = origin->dport;
	ports.dest = origin->sport;
	dp_translate(skb, &packet, DP_SOURCE, &origin->dst, ports);
	/* Refused: no process listens, or the proxy's queue is full. There is no socket whose end to wait for. */
	if (reset && origin->expires != DP_NEVER)
		dp_flow_forget(&key, origin);
	return DP_NEXT;
}

SEC("tc")
int dp_start_sweep(struct __sk_buff *skb __attribute__((unused)))
{
	__u32 zero = 0;
	struct dp_sweep *sweep = bpf_map_lookup_elem(&dp_sweeps, &zero);

	if (!sweep || !dp_sweep_init(sweep))
		return 1;
	/* Once at least: there may be flows from before whose timers were lost. */
	sweep->armed = 1;
	return bpf_timer_start(&sweep->timer, dp_sweep_ns, 0) ? 1 : 0;
}
