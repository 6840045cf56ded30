/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs know of the host. */
#pragma once

#include "layout.h"

struct dp_subnet {
	struct dp_addr addr;
	struct dp_addr mask; /* of an IPv4 subnet, the first 96 bits are ones */
};

/*
 * The configuration of this host. It may change while programs run. The map has one
 * entry, so the verifier turns the look-up into an address: it costs no call.
 */
struct dp_config {
	__be16 http_port; /* the proxy's listeners, on each gateway address; 0: not configured */
	__be16 dns_port;
	__be16 tcp_port;
	__u16 pad;
	__u32 players_from; /* the step in which dp_start_players ran: see lib/players.h */
	__u32 pad2;
	__u64 player_key; /* odd, random, secret: see lib/players.h */
	__u64 held_until; /* ns since boot: containers open no flow until then; see lib/hold.h */
	/* Bit n: dp_host_addrs has an address whose last byte is n. Saves most look-ups in dp_host_addrs. */
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
 * Addresses of the host, without those of host peers. A reply to one of them goes
 * to the host's stack. `dp load`, `dp repair` and the agent write them: a reply to
 * a newer address of the host is dropped, and does not leave by the uplink.
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
