// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A process can be checkpointed only when its sockets have no connections; and
 * what a removed server's container received must not reach the next container
 * with its address. Loaded when a server is frozen or removed, not before.
 *
 * dp_block_connect4, dp_block_connect6: the container's cgroup, connect(2) of
 * TCP and UDP over IPv4 and IPv6.
 *
 *  1. the socket is in another network namespace           allow
 *  2. anything else                                        refuse: EPERM
 *
 * dp_destroy_tcp, dp_destroy_udp: iterators over the TCP and UDP sockets of the
 * network namespace in which the iterator's file was opened.
 *
 *  1. TCP: a listener                                      leave
 *  2. TCP: TIME_WAIT, or a handshake that is not complete
 *     (no process has such a socket); a closed socket      leave
 *  3. UDP: not connected                                   leave
 *  4. to another address than dp_remote, if that is set     leave
 *  5. anything else                                        destroy: ECONNABORTED,
 *                                                          TCP sends a reset
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "lib/addr.h"
#include "lib/kernel.h"

char _license[] SEC("license") = "Dual BSD/GPL";

#define REFUSE 0
#define ALLOW 1

/* Cookie of the network namespace whose connections are refused; 0: of all namespaces in the cgroup. */
const volatile __u64 dp_netns_cookie = 0;

static __always_inline int connect_verdict(struct bpf_sock_addr *ctx)
{
	if (dp_netns_cookie && bpf_get_netns_cookie(ctx) != dp_netns_cookie)
		return ALLOW;
	return REFUSE;
}

SEC("cgroup/connect4")
int dp_block_connect4(struct bpf_sock_addr *ctx)
{
	return connect_verdict(ctx);
}

SEC("cgroup/connect6")
int dp_block_connect6(struct bpf_sock_addr *ctx)
{
	return connect_verdict(ctx);
}

struct dp_sock_counts {
	__u64 destroyed;
	__u64 refused; /* by the kernel */
} dp_sock_counts;

/* Only sockets that are connected to this address. All zero: all sockets. Set before the iterators run. */
struct dp_addr dp_remote;

static __always_inline bool is_meant(struct sock_common *sk)
{
	const volatile struct dp_addr *remote = &dp_remote;
	struct dp_addr addr = dp_addr_v4(sk->skc_daddr);

	if (!remote->words[0] && !remote->words[1] && !remote->words[2] && !remote->words[3])
		return true;
	if (sk->skc_family == AF_INET6)
		for (int i = 0; i < 4; i++)
			addr.words[i] = sk->skc_v6_daddr.in6_u.u6_addr32[i];
	return addr.words[3] == remote->words[3] && addr.words[2] == remote->words[2] &&
	       addr.words[1] == remote->words[1] && addr.words[0] == remote->words[0];
}

static __always_inline void count(int result)
{
	if (result == 0)
		__sync_fetch_and_add(&dp_sock_counts.destroyed, 1);
	else if (result != -ENOENT) /* the socket was closed in the meantime */
		__sync_fetch_and_add(&dp_sock_counts.refused, 1);
}

SEC("iter/tcp")
int dp_destroy_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;

	if (!sk)
		return 0;
	switch (sk->skc_state) {
	case BPF_TCP_LISTEN:
	case BPF_TCP_TIME_WAIT:
	case BPF_TCP_NEW_SYN_RECV:
	case BPF_TCP_CLOSE:
		return 0;
	}
	if (is_meant(sk))
		count(bpf_sock_destroy(sk));
	return 0;
}

SEC("iter/udp")
int dp_destroy_udp(struct bpf_iter__udp *ctx)
{
	struct sock_common *sk = (struct sock_common *)ctx->udp_sk;

	/* The kernel gives a connected UDP socket this TCP state. */
	if (!sk || sk->skc_state != BPF_TCP_ESTABLISHED || !is_meant(sk))
		return 0;
	count(bpf_sock_destroy(sk));
	return 0;
}
