/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Dropping a packet of a container, for a reason that is counted. */
#pragma once

#include "verdict.h"

/* Not inlined: rare, and every program has many ways to get here. */
static __noinline int dp_drop(__u32 host_peer, enum dp_drop reason)
{
	__u32 nobody = 0;
	struct dp_drops *drops;

	drops = bpf_map_lookup_elem(&dp_drop_counts, &host_peer);
	if (!drops)
		drops = bpf_map_lookup_elem(&dp_drop_counts, &nobody);
	if (drops && reason < DP_DROP_MAX)
		drops->packets[reason]++;
	return DP_SHOT;
}
