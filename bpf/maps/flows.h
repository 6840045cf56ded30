/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows: connections and datagram exchanges of containers that are redirected to
 * the proxy. A flow has one entry in dp_flows and one in dp_origins. They are
 * written when the flow begins and when it ends, not for the packets in between.
 * lib/flow.h has the states of a flow.
 *
 * The proxy distinguishes flows by (server, port, protocol). The port is the
 * container's own; if the container has another flow from the same port, it is
 * another free port.
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
 * How many flows each server has, by id. Entry 0: how many flows of the shared pool
 * all servers use. Concurrent writes may make both wrong by a few, also negative.
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

/* One entry: the timer of the sweep, which removes flows that have no timer. It runs while such flows exist. */
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
