// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dp_lookup: sk_lookup in the host's network namespace, for TCP connections and
 * datagrams that no connected socket has. The proxy's listeners are for
 * containers and the host alone.
 *
 *  1. to no listener port of the proxy                   the kernel's choice
 *  2. from the host itself (loopback)                    the kernel's choice
 *  3. by a host peer (dp_snat let it through)            the kernel's choice
 *  4. by any other interface                             refused, as where no
 *                                                        process listens
 *
 * Without rule 4 the internet fills the accept queue that all containers share,
 * and a datagram with a container's source address is served as that container's.
 * The namespace's loopback interface always has the index 1.
 */
#include <linux/in.h>

#include "lib/config.h"
#include "maps/servers.h"

char _license[] SEC("license") = "Dual BSD/GPL";

#define LOOPBACK 1

/* Rule 1. Port 0 is a listener that is not configured: no packet has it. */
static __always_inline bool is_listener(const struct dp_config *config,
					const struct bpf_sk_lookup *ctx)
{
	__be16 port = bpf_htons(ctx->local_port);

	if (port == config->dns_port)
		return true;
	return ctx->protocol == IPPROTO_TCP &&
	       (port == config->http_port || port == config->tcp_port);
}

SEC("sk_lookup")
int dp_lookup(struct bpf_sk_lookup *ctx)
{
	__u32 ingress = ctx->ingress_ifindex;
	struct dp_config *config = dp_config_entry();

	if (!config || !is_listener(config, ctx) || ingress == LOOPBACK)
		return SK_PASS;
	return bpf_map_lookup_elem(&dp_servers, &ingress) ? SK_PASS : SK_DROP;
}
