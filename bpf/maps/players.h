/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The players of each server. lib/players.h reads and writes them. */
#pragma once

#include "layout.h"

/*
 * This size cannot change: all inner maps of one outer map must have the same size,
 * and upgrades keep them. With the kernel's struct for a map, a table takes just
 * below 32 KiB, which is 8 pages; with 8192 slots it would take 9.
 */
#define DP_PLAYER_SLOTS 8064

/*
 * A slot has the step in which a player with this hash last sent something. All
 * slots are in one entry, because entries of an array take at least 8 bytes.
 */
struct dp_player_table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32[DP_PLAYER_SLOTS]);
};

/* By server id. A table for each server: a flood at one server changes no other server's table. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, DP_MAX_SERVERS + 1);
	__type(key, __u32);
	__array(values, struct dp_player_table);
} dp_players SEC(".maps");
