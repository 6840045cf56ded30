/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Servers, as the programs on their peers know them. */
#pragma once

#include "layout.h"

/*
 * Maps the container ports first..first+count-1 to the public ports
 * public_first..public_first+count-1.
 */
struct dp_forward {
	__u16 first;
	__u16 count;
	__u16 public_first;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 family; /* enum dp_family */
	__u32 uplink; /* ifindex: replies leave by it */
	__u32 counter; /* index into dp_traffic */
	struct dp_addr public_addr; /* the source of replies */
};

struct dp_server {
	__u32 id;
	__u32 group; /* servers of one group reach each other's forwards; 0: none */
	__u64 netns_cookie; /* of the container's network namespace */
	struct dp_addr addr[DP_FAMILIES]; /* the only sources the container may use */
	struct dp_addr gateway[DP_FAMILIES]; /* the host peer's */
	__u8 mac[6]; /* the container peer's: the only source MAC the container may use */
	__u16 forward_count;
	struct dp_forward forwards[DP_FORWARDS];
};

/*
 * Key: the ifindex of the host peer. The entry exists before the host peer goes up
 * and until it is down: dp_guard relies on this. Not a per-CPU map, where inserting
 * values of this size fails when memory is fragmented.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct dp_server);
} dp_servers SEC(".maps");

/* The server that has a container address. */
struct dp_container {
	__u32 server;
	__u32 host_peer; /* ifindex: the key of dp_servers */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, (DP_MAX_SERVERS * DP_FAMILIES));
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct dp_addr);
	__type(value, struct dp_container);
} dp_containers SEC(".maps");
