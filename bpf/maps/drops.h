/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How many packets of containers were dropped, and why. */
#pragma once

#include "drop_reason.h"
#include "layout.h"

struct dp_drops {
	__u64 packets[DP_DROP_MAX]; /* by enum dp_drop_reason */
};

/* By server id. Entry 0 counts packets that belong to no server. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, DP_MAX_SERVERS + 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct dp_drops);
} dp_drop_counts SEC(".maps");
