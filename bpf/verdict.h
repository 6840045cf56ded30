/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a program says of a packet, and the counters that remember it. */
#pragma once

#include <linux/pkt_cls.h>

#include "maps.h"

/*
 * The same numbers mean the same to a TCX link and to a clsact filter in
 * direct-action mode.
 */
enum dp_verdict {
	DP_NEXT = TC_ACT_UNSPEC, /* not ours: the next program on the hook, or the stack */
	DP_PASS = TC_ACT_OK, /* allowed, up the stack */
	DP_SHOT = TC_ACT_SHOT,
};

static __always_inline struct dp_counters *dp_counters_of(__u32 host_peer)
{
	return bpf_map_lookup_elem(&dp_stats, &host_peer);
}

/* Not inlined: rare, and every program has many ways to get here. */
static __noinline __attribute__((unused)) int dp_drop(__u32 host_peer, enum dp_drop reason)
{
	struct dp_counters *counters = dp_counters_of(host_peer);

	if (!counters)
		counters = dp_counters_of(0);
	if (counters && reason < DP_DROP_MAX)
		counters->drops[reason]++;
	return DP_SHOT;
}
