/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How much each forward carried. */
#pragma once

#include "layout.h"

/* One direction of a forward, since it was added. */
struct dp_traffic {
	__u64 packets; /* a GSO packet is one */
	__u64 bytes; /* with Ethernet headers */
};

struct dp_forward_traffic {
	struct dp_traffic in; /* to the container */
	struct dp_traffic out; /* to players */
};

/* The counters of forwards. dp_counters has the server of each counter. 0 is never used. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DP_MAX_COUNTERS);
	__type(key, __u32);
	__type(value, struct dp_forward_traffic);
} dp_traffic SEC(".maps");
