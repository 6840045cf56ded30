/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs know of the host. */
#pragma once

#include "layout.h"

struct dp_subnet {
	struct dp_addr addr;
	struct dp_addr mask; /* of an IPv4 subnet, the first 96 bits are ones */
};

/*
 * What differs from host to host and may change while programs run. One entry,
 * so the verifier turns the look-up into an address: it costs no call.
 */
struct dp_config {
	__be16 http_port; /* the proxy's listeners, on each gateway address; 0: not configured */
	__be16 dns_port;
	__be16 tcp_port;
	__u16 pad;
	__u32 players_from; /* no player before this step is in dp_players: see lib/players.h */
	__u32 pad2;
	__u64 player_key; /* odd, random, secret: see lib/players.h */
	__u64 held_until; /* ns since boot: containers open no flow until then; see lib/hold.h */
	/* Bit n: the last byte of an address in dp_host_addrs is n. Spares players' packets that look-up. */
	__u64 host_filter[4];
	struct dp_subnet host_subnets[DP_FAMILIES]; /* of host peers, by family */
	struct dp_subnet container_subnets[DP_FAMILIES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dp_config);
} dp_configs SEC(".maps");

/*
 * Addresses of the host itself, besides those of host peers. A reply to one of
 * them goes up the host's own stack. As of the last `dp` command that changed
 * something: replies to an address that is missing here are lost, never leaked.
 */
struct dp_host_addr {
	__u32 ifindex;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct dp_addr);
	__type(value, struct dp_host_addr);
} dp_host_addrs SEC(".maps");
