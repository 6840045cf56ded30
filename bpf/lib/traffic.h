/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts the traffic of forwards. */
#pragma once

#include "../maps/traffic.h"

static __always_inline void dp_count(struct dp_traffic *traffic, const struct __sk_buff *skb)
{
	traffic->packets++;
	traffic->bytes += skb->len;
}

/* A packet to the container. */
static __always_inline void dp_count_in(__u32 counter, const struct __sk_buff *skb)
{
	struct dp_forward_traffic *traffic = bpf_map_lookup_elem(&dp_traffic, &counter);

	if (traffic)
		dp_count(&traffic->in, skb);
}

/* A packet to a player. */
static __always_inline void dp_count_out(__u32 counter, const struct __sk_buff *skb)
{
	struct dp_forward_traffic *traffic = bpf_map_lookup_elem(&dp_traffic, &counter);

	if (traffic)
		dp_count(&traffic->out, skb);
}
