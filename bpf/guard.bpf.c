// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dp_guard: netfilter, prerouting of IPv4 and of IPv6 in the host's network
 * namespace, before everything else there. What comes from a container without
 * having passed dp_snat goes no further.
 *
 *  1. dp_snat let it through                             accept
 *  2. from an interface that is no host peer             accept
 *  3. anything else                                      drop AROUND
 *
 * The kernel has packets that traffic control is not to look at twice
 * (tc_skip_classify): those that come out of an ifb device. The mark stays on
 * them when they cross a veth pair into another network namespace, so that the
 * programs on the host peer never see them. Whoever rules over a container's
 * network can make an ifb device.
 */
#include <stdbool.h>

#include <bpf/bpf_core_read.h>

#include "maps.h"
#include "passed.h"

char _license[] SEC("license") = "Dual BSD/GPL";

enum {
	DROP = 0,
	ACCEPT = 1,
};

/* The kernel's own, as far as they are read. */
struct net_device {
	int ifindex;
} __attribute__((preserve_access_index));

struct sk_buff {
	__u32 priority;
} __attribute__((preserve_access_index));

struct nf_hook_state {
	struct net_device *in;
} __attribute__((preserve_access_index));

struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
} __attribute__((preserve_access_index));

/* The loader sets the type: libbpf knows this section from 1.3 on. */
SEC("netfilter")
int dp_guard(struct bpf_nf_ctx *ctx)
{
	__u32 host_peer = ctx->state->in->ifindex;
	struct dp_drops *drops;

	if (ctx->skb->priority == DP_PASSED)
		return ACCEPT;

	/* From before a host peer goes up until after it is gone: nothing else of a server is there that long. */
	drops = bpf_map_lookup_elem(&dp_drop_counts, &host_peer);
	if (!drops)
		return ACCEPT;
	drops->packets[DP_DROP_AROUND]++;
	return DROP;
}
