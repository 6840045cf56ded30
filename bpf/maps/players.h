/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The players of each server. lib/players.h reads and writes them. */
#pragma once

#include "layout.h"

/*
 * The inner maps have this size for ever: all maps in one outer map must have the
 * same. With the kernel's head of a map they take just below 32 KiB, which is 8
 * pages; with 8192 slots it would be 9.
 */
#define DP_PLAYER_SLOTS 8064

/*
 * By a hash of the player: when a player of that hash last sent something, in
 * steps. All slots are in one entry: entries of an array have at least 8 bytes.
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
