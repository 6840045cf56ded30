/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Drops a packet of a container and counts the reason. */
#pragma once

#include "../maps/drops.h"
#include "verdict.h"

/*
 * Counts for the server, or for id 0 if no server is known or it has no entry.
 * Not inlined: drops are rare, and each program calls this in many places.
 */
static __noinline void dp_count_drop(__u32 server, enum dp_drop_reason reason)
{
	__u32 none = 0;
	struct dp_drops *drops;

	drops = bpf_map_lookup_elem(&dp_drop_counts, &server);
	if (!drops)
		drops = bpf_map_lookup_elem(&dp_drop_counts, &none);
	if (drops && reason < DP_DROP_MAX)
		drops->packets[reason]++;
}

static __always_inline int dp_drop_packet(__u32 server, enum dp_drop_reason reason)
{
	dp_count_drop(server, reason);
	return DP_SHOT;
}
