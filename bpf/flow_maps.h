/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows: what containers opened and the proxy carries on. Two maps, one for
 * each way, written when a flow begins and ends and at no packet between.
 *
 * A flow is known to the proxy by (container, port, protocol). That port is the
 * container's own, unless it already has a flow from it to somewhere else; then
 * it is another free one, and so both work.
 */
#pragma once

#include "packet.h"
#include "maps.h"

/* All containers' flows together; one container may have dp_max_flows of them. */
#define DP_MAX_FLOWS 262144

/* What a container opens is redirected by what its address is: interface indexes of two containers may be equal. */
struct dp_veth_pair {
	__u64 netns_cookie; /* the container's: what comes from elsewhere under its address is not its own */
	__u32 host_peer; /* ifindex */
	__be32 host_addr;
	__be16 game_port;
	__u16 pad;
	__u32 group; /* 0: none */
	__u8 mac[6]; /* the container peer's */
	__u16 pad2;
	__s32 flows; /* how many it has; off by some, also below 0, if it was written meanwhile */
	__u32 pad3;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __be32); /* the container's address */
	__type(value, struct dp_veth_pair);
} dp_veth_pairs SEC(".maps");

/* As the container sees it. */
struct dp_flow_key {
	__be32 container;
	__be32 dst;
	__be16 sport;
	__be16 dport;
	__u8 protocol;
	__u8 pad[3];
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
	__be32 container;
	__be16 sport;
	__u8 protocol;
	__u8 pad;
};

enum dp_flow_end {
	DP_FLOW_SWEPT = 0, /* it could have no timer: the sweep removes it */
	DP_FLOW_TIMED = 1, /* its timer removes it */
	DP_FLOW_COPIED = 2, /* what its predecessor in another map comes to is yet to be seen */
};

struct dp_origin {
	__be32 dst; /* where it was going */
	__be16 dport;
	__be16 sport; /* as the container sees it */
	__be16 listener;
	__u16 pad;
	__u32 end; /* enum dp_flow_end */
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

/*
 * Answers to datagrams that the proxy's host sent in fragments, of which only the
 * first has ports: where the container thinks they come from. As dp_fragments.
 */
struct dp_answer_source {
	__be32 addr;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct dp_fragment_key);
	__type(value, struct dp_answer_source);
} dp_answer_frags SEC(".maps");
