// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dp_guard: netfilter, prerouting of IPv4 and of IPv6 in the host's network
 * namespace, before all other rules there. Drops packets of containers that did
 * not pass dp_snat.
 *
 *  1. dp_snat let it through                             accept
 *  2. from an interface that is no host peer             accept
 *  3. anything else                                      drop BYPASS
 *
 * Such packets exist because of ifb devices. An ifb device marks the packets that
 * it sends (tc_skip_classify), and traffic control skips marked packets. The mark
 * stays on a packet that crosses a veth pair into another network namespace, so
 * the programs on the host peer do not run for it. A process that may administer
 * a container's network can create an ifb device.
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
