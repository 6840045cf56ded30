// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dp_guard: netfilter, prerouting of IPv4 and of IPv6 in the host's network
 * namespace, before everything else there. A packet of a container that did not
 * pass dp_snat goes no further.
 *
 *  1. dp_snat let it through                             accept
 *  2. from an interface that is no host peer             accept
 *  3. anything else                                      drop BYPASS
 *
 * The kernel has packets that traffic control does not look at twice
 * (tc_skip_classify): those that come out of an ifb device. The mark stays on
 * them when they cross a veth pair into another network namespace, so that the
 * programs on the host peer never see them. A process that may administer a
 * container's network can make an ifb device.
 */
#include "lib/drop.h"
#include "lib/kernel.h"
#include "lib/passed.h"
#include "maps/servers.h"

char _license[] SEC("license") = "Dual BSD/GPL";

enum {
	DROP = 0,
	ACCEPT = 1,
};

/* The loader sets the type: libbpf knows this section from 1.3 on. */
SEC("netfilter")
int dp_guard(struct bpf_nf_ctx *ctx)
{
	__u32 ifindex = ctx->state->in->ifindex;
	struct dp_server *server;

	if (ctx->skb->priority == DP_PASSED)
		return ACCEPT;

	server = bpf_map_lookup_elem(&dp_servers, &ifindex);
	if (!server)
		return ACCEPT;
	dp_count_drop(server->id, DP_DROP_BYPASS);
	return DROP;
}
