/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What each server knows of those who send to it. lib/players.h and lib/handshake.h read and write it. */
#pragma once

#include "layout.h"

#define DP_PLAYER_SLOTS 4096

/* A handshake may be in any of 8 places, which are one line of the processor's cache. */
#define DP_HANDSHAKE_PLACES 8
#define DP_HANDSHAKE_SETS 247
#define DP_HANDSHAKE_SLOTS (DP_HANDSHAKE_SETS * DP_HANDSHAKE_PLACES)

/* How much there was of something in the current interval. */
struct dp_budget {
	__u32 interval;
	__u32 spent;
};

/*
 * This size cannot change: all inner maps of one outer map must have the same size,
 * and upgrades keep them. With the kernel's struct for a map, a table takes just
 * below 32 KiB, which is 8 pages.
 */
struct dp_player_slots {
	__u32 players[DP_PLAYER_SLOTS]; /* lib/players.h */
	__u64 handshakes[DP_HANDSHAKE_SLOTS]; /* lib/handshake.h */
	struct dp_budget fragments; /* lib/fragment.h */
	__u64 reserved[7]; /* 0 */
};

/* One entry, because entries of an array take at least 8 bytes. Numbers, because clang omits an inner map's structs. */
struct dp_player_table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32[sizeof(struct dp_player_slots) / sizeof(__u32)]);
};

/* By server id. A table for each server: a flood at one server changes no other server's table. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, DP_MAX_SERVERS + 1);
	__type(key, __u32);
	__array(values, struct dp_player_table);
} dp_players SEC(".maps");
