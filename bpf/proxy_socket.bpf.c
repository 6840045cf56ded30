// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The programs on the sockets of the proxy's cgroup.
 *
 * dp_getsockopt: cgroup/getsockopt. SO_ORIGINAL_DST of a redirected connection.
 *
 *  1. another option, another protocol than TCP, a buffer of
 *     less than 16 bytes, or a socket of another network
 *     namespace than the host's                               the kernel's answer
 *  2. not accepted from a container: see accepted()           the kernel's answer
 *  3. anything else                                           the original destination
 *
 * dp_sockops: sockops. A flow is established while the proxy's socket exists.
 *
 *  1. the proxy accepted the connection of a flow             established
 *  2. the proxy closed it                                     expires
 *
 * Containers may be in the same cgroup, and can use any address and listener in
 * their own namespaces. So only sockets of the host's namespace count as the
 * proxy's.
 */
#include "lib/flow.h"
#include "lib/kernel.h"
#include "maps/servers.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* Cookie of the network namespace of the host peers and the proxy. The loader sets it: its own namespace. */
const volatile __u64 dp_host_netns = 0;

#define SOL_IP 0
#define SO_ORIGINAL_DST 80

struct sockaddr_in_original {
	__u16 family;
	__be16 port;
	__be32 addr;
	__u8 zero[8];
};

/* The two ends of a socket. All zero: it has no IPv4 address. */
struct ends {
	struct dp_addr local;
	struct dp_addr remote;
	__u16 local_port; /* in host order */
	__be16 remote_port;
};

/* The address of an AF_INET6 socket, if it is an IPv4-mapped one (RFC 4291 2.5.5.2). */
static __always_inline struct dp_addr mapped(__be32 a, __be32 b, __be32 c, __be32 d)
{
	if (a || b || c != DP_MAPPED)
		return (struct dp_addr){};
	return dp_addr_v4(d);
}

/*
 * The flow of a connection that the proxy accepted; NULL if this is none. The
 * local address must be the server's gateway: otherwise the connection was made
 * with a removed server, and another server has the container's address now.
 */
static __always_inline struct dp_origin *accepted(const struct ends *ends)
{
	struct dp_container *container;
	struct dp_origin_key key DP_KEY;
	struct dp_origin *origin;
	struct dp_server *server;

	container = bpf_map_lookup_elem(&dp_containers, &ends->remote);
	if (!container)
		return NULL;
	dp_set_origin_key(&key, container->server, DP_IPV4, IPPROTO_TCP, ends->remote_port);
	origin = bpf_map_lookup_elem(&dp_origins, &key);
	if (!origin || bpf_ntohs(origin->listener) != ends->local_port)
		return NULL;
	server = bpf_map_lookup_elem(&dp_servers, &container->host_peer);
	if (!server || server->id != container->server ||
	    !dp_addr_equal(&server->gateway[DP_IPV4], &ends->local))
		return NULL;
	return origin;
}

SEC("cgroup/getsockopt")
int dp_getsockopt(struct bpf_sockopt *ctx)
{
	struct sockaddr_in_original *answer = ctx->optval;
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
		ends.local = dp_addr_v4(sk->src_ip4);
		ends.remote = dp_addr_v4(sk->dst_ip4);
	} else if (sk->family == AF_INET6) {
		ends.local = mapped(sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3]);
		ends.remote =
			mapped(sk->dst_ip6[0], sk->dst_ip6[1], sk->dst_ip6[2], sk->dst_ip6[3]);
	}
	ends.local_port = sk->src_port;
	ends.remote_port = sk->dst_port;
	origin = accepted(&ends);
	if (!origin)
		goto keep;

	*answer = (struct sockaddr_in_original){
		.family = AF_INET,
		.port = origin->dport,
		.addr = dp_v4(&origin->dst),
	};
	/* The kernel accepts an optlen of a page at most. A smaller one stays as the caller gave it. */
	if (ctx->optlen > PAGE_SIZE)
		ctx->optlen = sizeof(*answer);
	ctx->retval = 0;
	return 1;

keep:
	/* The kernel shows a program one page of the answer at most. An optlen of 0 keeps a longer answer as it is. */
	if (ctx->optlen > PAGE_SIZE)
		ctx->optlen = 0;
	return 1;
}

static __always_inline struct dp_origin *accepted_by(struct bpf_sock_ops *ctx)
{
	struct ends ends = {};

	if (bpf_get_netns_cookie(ctx) != dp_host_netns)
		return NULL;
	if (ctx->family == AF_INET) {
		ends.local = dp_addr_v4(ctx->local_ip4);
		ends.remote = dp_addr_v4(ctx->remote_ip4);
	} else if (ctx->family == AF_INET6) {
		ends.local = mapped(ctx->local_ip6[0], ctx->local_ip6[1], ctx->local_ip6[2],
				    ctx->local_ip6[3]);
		ends.remote = mapped(ctx->remote_ip6[0], ctx->remote_ip6[1], ctx->remote_ip6[2],
				     ctx->remote_ip6[3]);
	}
	ends.local_port = ctx->local_port;
	/* remote_port has the port in network byte order, in its upper 16 bits. */
	ends.remote_port = bpf_htons(bpf_ntohl(ctx->remote_port));
	return accepted(&ends);
}

SEC("sockops")
int dp_sockops(struct bpf_sock_ops *ctx)
{
	struct dp_origin *origin;

	switch (ctx->op) {
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		origin = accepted_by(ctx);
		if (origin) {
			dp_flow_established(origin);
			bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags |
							       BPF_SOCK_OPS_STATE_CB_FLAG);
		}
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] != BPF_TCP_CLOSE)
			break;
		origin = accepted_by(ctx);
		if (origin)
			dp_flow_expire_in(origin, dp_closing_ns);
		break;
	}
	return 1;
}
