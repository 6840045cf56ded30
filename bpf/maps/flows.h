/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows: what containers opened and the proxy carries on. Two maps, one for
 * each direction, written when a flow begins and when it ends and at no packet
 * in between. lib/flow.h has their life.
 *
 * A flow is known to the proxy by (server, port, protocol). That port is the
 * container's own, unless it already has a flow from it to another destination;
 * then it is another free port, and both work.
 */
#pragma once

#include "layout.h"

/* As the container sees it. */
struct dp_flow_key {
	struct dp_addr dst;
	__be16 sport;
	__be16 dport;
	__u8 protocol;
	__u8 family; /* enum dp_family */
	__u16 pad;
	__u32 server;
};

struct dp_flow {
	__be16 sport; /* as the proxy sees it */
	__be16 listener; /* the proxy's port */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_FLOWS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct dp_flow_key);
	__type(value, struct dp_flow);
} dp_flows SEC(".maps");

/* As the proxy sees it. */
struct dp_origin_key {
	__u32 server;
	__be16 sport;
	__u8 protocol;
	__u8 family; /* enum dp_family */
};

enum dp_flow_end {
	DP_FLOW_SWEPT = 0, /* no timer: the sweep removes the flow */
	DP_FLOW_TIMED = 1, /* the timer removes the flow */
	DP_FLOW_COPIED = 2, /* copied by a migration that is not finished */
};

struct dp_origin {
	struct dp_addr dst; /* the original destination */
	__be16 dport;
	__be16 sport; /* as the container sees it */
	__be16 listener;
	__u16 pad;
	__u32 end; /* enum dp_flow_end */
	__u32 pad2;
	__u64 expires; /* ns since boot; DP_NEVER: established */
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_FLOWS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct dp_origin_key);
	__type(value, struct dp_origin);
} dp_origins SEC(".maps");

/*
 * How many flows each server has, by id. May be off by some, also below 0, when
 * it was written at the same time. Entry 0: how many of the shared flows all
 * servers have taken.
 */
struct dp_flow_count {
	__s32 flows;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DP_MAX_SERVERS + 1);
	__type(key, __u32);
	__type(value, struct dp_flow_count);
} dp_flow_counts SEC(".maps");

/* One entry: removes the flows that have no timer of their own, as long as there are any. */
struct dp_sweep {
	struct bpf_timer timer;
	__u32 armed;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dp_sweep);
} dp_sweeps SEC(".maps");
