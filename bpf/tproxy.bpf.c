// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a container opens goes to the transparent proxy on the host, and comes
 * back as if from where it was going.
 *
 * dp_tproxy_container: container peer, egress (inside the container's network
 * namespace). It only redirects. What it leaves alone, dp_snat judges on the
 * host's side, where the container cannot remove it.
 *
 *  1. not IPv4, tagged, fragment, truncated or malformed      next
 *  2. source address of no known container, or of one that is
 *     elsewhere (unless it is TCP that continues a flow)      next
 *  3. to the host peer itself, or to another container        next
 *  4. TCP from the game port: a reply, or dp_snat's to drop   next
 *  5. TCP to port 25565 (servers reach each other directly)   next
 *  6. neither TCP nor UDP to port 53, or no listener is
 *     configured for it                                       next
 *  7. TCP that continues no flow of its own                   drop NO_FLOW
 *  8. a new flow (none is known, half of it is lost, or it is
 *     opened again when the proxy listens elsewhere):
 *     while an upgrade moves flows: dp_snat's to drop         next
 *     more than one container, or all together, may have, or
 *     no port free                                            drop FLOWS
 *  9. TCP 80 -> HTTP listener, 53 -> DNS listener,
 *     all other TCP -> TCP listener                           next, rewritten
 *
 * dp_tproxy_host: host peer, egress. The way back.
 *
 *  1. later fragment of a datagram (UDP) that rule 4 rewrote  next, rewritten
 *  2. ICMP error of a host peer that quotes what went to its
 *     listener, of a flow: as if from where that was going,
 *     and what it quotes                                      next, rewritten
 *  3. from no listener on a host peer, or of no flow          next
 *  4. of a flow: the original source and port (of a first
 *     fragment of UDP, which is remembered, too); the proxy's
 *     reset ends a flow that is opening                       next, rewritten
 *
 * dp_getsockopt: cgroup/getsockopt. SO_ORIGINAL_DST of a redirected connection;
 * every other call keeps the kernel's answer.
 *
 * dp_sockops: sockops. A flow is established while the proxy's socket lives.
 *
 * The cgroup may hold containers too, which make any address and listener they
 * like in their own namespaces: only sockets of the host's are the proxy's.
 *
 * dp_start_sweep: run once by the loader, until it returns 0. Gets the memory
 * flows without timers rely on while there is time to wait for it.
 */
#include "drop_count.h"
#include "flow.h"
#include "fragment.h"
#include "icmp.h"
#include "packet.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* Where a packet is: of the kernel's own structures, just the way there. */
struct net {
	__u64 net_cookie;
} __attribute__((preserve_access_index));

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	possible_net_t nd_net;
} __attribute__((preserve_access_index));

struct sk_buff___where {
	struct net_device *dev;
} __attribute__((preserve_access_index));

/* The network namespace of the host peers and the proxy. The loader's own. */
const volatile __u64 dp_host_netns = 0;

#define HTTP bpf_htons(80)
#define DNS bpf_htons(53)
#define MINECRAFT bpf_htons(25565)

struct segment {
	struct iphdr *ip;
	struct dp_ports *ports;
	struct tcphdr *tcp; /* NULL: UDP */
	__u32 l4_off;
};

/* False unless it is IPv4 with a whole, sound header. */
static __always_inline bool parse_ip(struct __sk_buff *skb, struct segment *segment)
{
	struct ethhdr *eth;

	dp_pull_headers(skb);
	eth = (void *)(long)skb->data;
	segment->ip = (void *)(eth + 1);
	if ((void *)(segment->ip + 1) > (void *)(long)skb->data_end)
		return false;
	return eth->h_proto == bpf_htons(ETH_P_IP) && dp_ipv4_is_sound(skb, segment->ip, 0);
}

/* False unless it is TCP or UDP with a whole, sound header. Not for later fragments, which have none. */
static __always_inline bool parse_ports(struct __sk_buff *skb, struct segment *segment)
{
	void *end = (void *)(long)skb->data_end;
	struct iphdr *ip = segment->ip;
	void *l4;

	segment->l4_off = ETH_HLEN + dp_ipv4_header_len(ip);
	l4 = (void *)(long)skb->data + segment->l4_off;
	if (ip->protocol == IPPROTO_TCP) {
		if (l4 + sizeof(struct tcphdr) > end ||
		    !dp_ipv4_is_sound(skb, ip, sizeof(struct tcphdr)))
			return false;
		segment->tcp = l4;
	} else if (ip->protocol == IPPROTO_UDP) {
		if (l4 + sizeof(struct udphdr) > end ||
		    !dp_ipv4_is_sound(skb, ip, sizeof(struct udphdr)))
			return false;
		segment->tcp = NULL;
	} else {
		return false;
	}
	segment->ports = l4;
	return true;
}

/* Brings the TCP or UDP checksum up to date. A UDP checksum of 0 means none, and stays so. */
static __always_inline void replace_csum(struct __sk_buff *skb, const struct segment *segment,
					 __be32 old_addr, __be32 addr, struct dp_ports old,
					 struct dp_ports ports)
{
	__u32 check = segment->l4_off + offsetof(struct udphdr, check);
	__u64 flags = BPF_F_MARK_MANGLED_0;

	if (segment->tcp) {
		dp_tcp_csum(skb, segment->tcp, segment->l4_off, old_addr, addr, old, ports);
		return;
	}
	bpf_l4_csum_replace(skb, check, old_addr, addr, flags | BPF_F_PSEUDO_HDR | sizeof(addr));
	dp_csum_replace_port(skb, check, flags, old.source, ports.source);
	dp_csum_replace_port(skb, check, flags, old.dest, ports.dest);
}

/* Rules 4 to 6 of dp_tproxy_container: the proxy's port for this packet, or 0 when it is not redirected. */
static __always_inline __be16 listener_for(const struct dp_config *config,
					   const struct dp_veth_pair *pair,
					   const struct segment *segment)
{
	__be16 port = segment->ports->dest;

	if (!segment->tcp)
		return port == DNS ? config->dns_port : 0;
	if (segment->ports->source == pair->game_port || port == MINECRAFT)
		return 0;
	if (port == HTTP)
		return config->http_port;
	if (port == DNS)
		return config->dns_port;
	return config->tcp_port;
}

/*
 * Whether this is the namespace of the container that has the source address:
 * or anyone could write any address, and use up another's flows.
 */
static __always_inline bool is_at_home(struct __sk_buff *ctx, const struct dp_veth_pair *pair)
{
	struct sk_buff___where *skb = (void *)ctx;

	return BPF_CORE_READ(skb, dev, nd_net.net, net_cookie) == pair->netns_cookie;
}

SEC("tc")
int dp_tproxy_container(struct __sk_buff *skb)
{
	struct dp_flow_key key = {};
	struct dp_veth_pair *pair;
	struct dp_config *config;
	struct segment segment;
	struct dp_ports old, ports;
	struct dp_flow flow;
	__be16 listener;
	__u32 zero = 0;
	__be32 addr;
	bool opens;

	if (skb->vlan_present || !parse_ip(skb, &segment))
		return DP_NEXT;
	if (segment.ip->frag_off & (DP_IP_OFFSET | DP_IP_MORE_FRAGMENTS))
		return DP_NEXT;
	if (!parse_ports(skb, &segment))
		return DP_NEXT;

	key.container = segment.ip->saddr;
	key.dst = segment.ip->daddr;
	key.sport = segment.ports->source;
	key.dport = segment.ports->dest;
	key.protocol = segment.ip->protocol;

	pair = bpf_map_lookup_elem(&dp_veth_pairs, &key.container);
	config = bpf_map_lookup_elem(&dp_configs, &zero);
	if (!pair || !config)
		return DP_NEXT;
	if (key.dst == pair->host_addr ||
	    (key.dst & config->container_mask) == config->container_subnet)
		return DP_NEXT;
	listener = listener_for(config, pair, &segment);
	if (!listener)
		return DP_NEXT;
	opens = !segment.tcp || dp_is_bare_syn(segment.tcp);
	if (opens && !is_at_home(skb, pair))
		return DP_NEXT;

	switch (dp_flow_of(&key, pair, listener, opens, &flow)) {
	case DP_FLOW_NONE:
		/* Counted where it comes from: a made-up address is dp_snat's to drop. */
		if (!is_at_home(skb, pair))
			return DP_NEXT;
		return dp_drop(pair->host_peer, DP_DROP_NO_FLOW);
	case DP_FLOW_FULL:
		return dp_drop(pair->host_peer, DP_DROP_FLOWS);
	case DP_FLOW_HELD:
		return DP_NEXT;
	case DP_FLOW_FOUND:
		break;
	}

	addr = pair->host_addr;
	old = *segment.ports;
	ports.source = flow.sport;
	ports.dest = flow.listener;
	dp_ipv4_set_addr(segment.ip, &segment.ip->daddr, addr);
	*segment.ports = ports;
	replace_csum(skb, &segment, key.dst, addr, old, ports);
	return DP_NEXT;
}

static __always_inline bool is_host_peers(__be32 addr)
{
	struct dp_config *config;
	__u32 zero = 0;

	config = bpf_map_lookup_elem(&dp_configs, &zero);
	return config && (addr & config->host_mask) == config->host_subnet;
}

/*
 * A listener is on a host peer's address. Anyone who can reach the container may
 * send from a port like its: that must not come as if from where the flow goes.
 */
static __always_inline bool is_from_listener(const struct segment *segment,
					     const struct dp_origin *origin)
{
	return segment->ports->source == origin->listener && is_host_peers(segment->ip->saddr);
}

/*
 * Rule 2. Where nobody listens, the host refuses a datagram by such an error
 * (and a connection by a reset, unless a firewall does). The container's socket
 * has to know it again, or waits in vain.
 */
static __noinline int icmp_error(struct __sk_buff *skb)
{
	struct dp_origin_key key = {};
	struct dp_icmp_error error;
	struct dp_origin *origin;

	if (!dp_icmp_error_parse(skb, &error, true) || error.ip->daddr != error.quoted->saddr ||
	    error.ip->saddr != error.quoted->daddr)
		return DP_NEXT;
	key.container = error.quoted->saddr;
	key.sport = error.l4->source;
	key.protocol = error.quoted->protocol;
	origin = bpf_map_lookup_elem(&dp_origins, &key);
	if (!origin || origin->listener != error.l4->dest || !is_host_peers(error.ip->saddr))
		return DP_NEXT;

	dp_ipv4_set_addr(error.ip, &error.ip->saddr, origin->dst);
	dp_icmp_set_quoted(&error, &error.quoted->daddr, origin->dst, &error.l4->dest,
			   origin->dport);
	dp_icmp_set_quoted(&error, &error.quoted->saddr, key.container, &error.l4->source,
			   origin->sport);
	return DP_NEXT;
}

/* Rule 1. The checksum is in the first fragment, and was set right there for all of them. */
static __always_inline int later_fragment(struct iphdr *ip)
{
	struct dp_fragment_key fragment = dp_fragment_key_of(ip);
	struct dp_answer_source *source;

	source = bpf_map_lookup_elem(&dp_answer_frags, &fragment);
	if (source && ip->protocol == IPPROTO_UDP)
		dp_ipv4_set_addr(ip, &ip->saddr, source->addr);
	return DP_NEXT;
}

/* A datagram that is no answer must not inherit what an earlier one of the same id left behind. */
static __always_inline void first_fragment(const struct iphdr *ip, const struct dp_origin *origin)
{
	struct dp_fragment_key fragment = dp_fragment_key_of(ip);
	struct dp_answer_source source = {};

	if (origin) {
		source.addr = origin->dst;
		bpf_map_update_elem(&dp_answer_frags, &fragment, &source, BPF_ANY);
	} else {
		bpf_map_delete_elem(&dp_answer_frags, &fragment);
	}
}

SEC("tc")
int dp_tproxy_host(struct __sk_buff *skb)
{
	struct dp_origin_key key = {};
	struct dp_origin *origin;
	struct segment segment;
	struct dp_ports old, ports;
	__be32 old_addr, addr;
	bool reset;

	if (!parse_ip(skb, &segment))
		return DP_NEXT;
	if (segment.ip->frag_off & DP_IP_OFFSET)
		return later_fragment(segment.ip);
	if (segment.ip->protocol == IPPROTO_ICMP)
		return icmp_error(skb);
	if (!parse_ports(skb, &segment))
		return DP_NEXT;

	old = *segment.ports;
	key.container = segment.ip->daddr;
	key.sport = old.dest;
	key.protocol = segment.ip->protocol;
	origin = bpf_map_lookup_elem(&dp_origins, &key);
	if (origin && !is_from_listener(&segment, origin))
		origin = NULL;
	if ((segment.ip->frag_off & DP_IP_MORE_FRAGMENTS) && !segment.tcp)
		first_fragment(segment.ip, origin);
	if (!origin)
		return DP_NEXT;

	reset = segment.tcp && segment.tcp->rst;
	old_addr = segment.ip->saddr;
	addr = origin->dst;
	ports.source = origin->dport;
	ports.dest = origin->sport;
	dp_ipv4_set_addr(segment.ip, &segment.ip->saddr, addr);
	*segment.ports = ports;
	replace_csum(skb, &segment, old_addr, addr, old, ports);
	/* Refused: nobody listens, or the proxy's queue is full. There is no socket whose end to wait for. */
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

#define SOL_IP 0
#define SO_ORIGINAL_DST 80
#define AF_INET 2
#define AF_INET6 10
#define PAGE_SIZE 4096

struct sockaddr_in_original {
	__u16 family;
	__be16 port;
	__be32 addr;
	__u8 zero[8];
};

/* The last 32 bits of an IPv4-mapped address, ::ffff:a.b.c.d (RFC 4291 2.5.5.2), or 0. */
static __always_inline __be32 v4_of_mapped(__be32 a, __be32 b, __be32 c, __be32 d)
{
	return a == 0 && b == 0 && c == bpf_htonl(0xffff) ? d : 0;
}

/* The two ends of a socket of the host's. */
struct ends {
	__be32 local;
	__be32 remote;
	__u16 local_port; /* in host order */
};

/*
 * The flow that this socket of the proxy accepted, if it is one. A socket with
 * another address of its own than the host peer's is left from a server that is
 * no more: this one has its container's address now.
 */
static __always_inline struct dp_origin *accepted(struct dp_origin_key *key,
						  const struct ends *ends)
{
	struct dp_origin *origin;
	struct dp_veth_pair *pair;

	key->container = ends->remote;
	origin = bpf_map_lookup_elem(&dp_origins, key);
	if (!origin || bpf_ntohs(origin->listener) != ends->local_port)
		return NULL;
	pair = bpf_map_lookup_elem(&dp_veth_pairs, &key->container);
	return pair && pair->host_addr == ends->local ? origin : NULL;
}

SEC("cgroup/getsockopt")
int dp_getsockopt(struct bpf_sockopt *ctx)
{
	struct sockaddr_in_original *answer = ctx->optval;
	struct dp_origin_key key = { .protocol = IPPROTO_TCP };
	struct bpf_sock *sk = ctx->sk;
	struct dp_origin *origin;
	struct ends ends = {};

	if (ctx->level != SOL_IP || ctx->optname != SO_ORIGINAL_DST || !sk)
		goto keep;
	if ((void *)(answer + 1) > ctx->optval_end || sk->protocol != IPPROTO_TCP)
		goto keep;
	if (bpf_get_netns_cookie(ctx) != dp_host_netns)
		goto keep;
	if (sk->family == AF_INET) {
		ends.local = sk->src_ip4;
		ends.remote = sk->dst_ip4;
	} else if (sk->family == AF_INET6) {
		ends.local = v4_of_mapped(sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2],
					  sk->src_ip6[3]);
		ends.remote = v4_of_mapped(sk->dst_ip6[0], sk->dst_ip6[1], sk->dst_ip6[2],
					   sk->dst_ip6[3]);
	}
	ends.local_port = sk->src_port;
	key.sport = sk->dst_port;
	origin = accepted(&key, &ends);
	if (!origin)
		goto keep;

	*answer = (struct sockaddr_in_original){
		.family = AF_INET,
		.port = origin->dport,
		.addr = origin->dst,
	};
	/* Any room of 16 bytes or more will do, and its size is left as it was; the kernel's limit is a page. */
	if (ctx->optlen > PAGE_SIZE)
		ctx->optlen = sizeof(*answer);
	ctx->retval = 0;
	return 1;

keep:
	/* An answer longer than the kernel shows to programs: 0 says it is not ours to change. */
	if (ctx->optlen > PAGE_SIZE)
		ctx->optlen = 0;
	return 1;
}

static __always_inline struct dp_origin *accepted_by(struct bpf_sock_ops *ctx,
						     struct dp_origin_key *key)
{
	struct ends ends = {};

	if (bpf_get_netns_cookie(ctx) != dp_host_netns)
		return NULL;
	if (ctx->family == AF_INET) {
		ends.local = ctx->local_ip4;
		ends.remote = ctx->remote_ip4;
	} else if (ctx->family == AF_INET6) {
		ends.local = v4_of_mapped(ctx->local_ip6[0], ctx->local_ip6[1], ctx->local_ip6[2],
					  ctx->local_ip6[3]);
		ends.remote = v4_of_mapped(ctx->remote_ip6[0], ctx->remote_ip6[1],
					   ctx->remote_ip6[2], ctx->remote_ip6[3]);
	}
	ends.local_port = ctx->local_port;
	/* In network order, in the upper half. */
	key->sport = bpf_htons(bpf_ntohl(ctx->remote_port));
	return accepted(key, &ends);
}

SEC("sockops")
int dp_sockops(struct bpf_sock_ops *ctx)
{
	struct dp_origin_key key = { .protocol = IPPROTO_TCP };
	struct dp_origin *origin;

	switch (ctx->op) {
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		origin = accepted_by(ctx, &key);
		if (origin) {
			dp_flow_established(origin);
			bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags |
							       BPF_SOCK_OPS_STATE_CB_FLAG);
		}
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] != BPF_TCP_CLOSE)
			break;
		origin = accepted_by(ctx, &key);
		if (origin)
			dp_flow_expire_in(origin, dp_closing_ns);
		break;
	}
	return 1;
}
