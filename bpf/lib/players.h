/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The players of a server: the addresses that sent TCP to it lately. Replies go
 * only to players, so that a container cannot send from a forward's container port
 * to any address.
 *
 * A player table has times, not connections. A slot has the time when a player
 * with this hash last sent something. Slots are never removed, so no player can
 * evict another. When two addresses share a slot, each of them counts as a player
 * when the other one is. The hash depends on a secret of the host and on the
 * server: a container cannot compute which addresses share a slot.
 */
#pragma once

#include "../maps/players.h"
#include "config.h"

/*
 * Time is in steps of 2^14 jiffies. The verifier turns bpf_jiffies64 into a load:
 * no other clock is as cheap. A step is 16 s with CONFIG_HZ=1000, 66 s with 250.
 */
#define DP_PLAYER_STEP_BITS 14

/* Added to each time, so that an unused slot (0) is older than any step. */
#define DP_PLAYER_FIRST_STEP (1U << 31)

/*
 * How many steps an address stays a player: 2.5 hours with CONFIG_HZ=1000, 10
 * hours with 250. TCP probes an idle connection after 2 hours (RFC 9293 3.8.4), so
 * idle connections stay.
 */
const volatile __u32 dp_player_steps = 550;

static __always_inline __u32 dp_player_now(void)
{
	return DP_PLAYER_FIRST_STEP + (bpf_jiffies64() >> DP_PLAYER_STEP_BITS);
}

/*
 * Multiplicative hashing: the product's upper bits (Dietzfelbinger et al.,
 * 1997). The key is odd. One multiplication for IPv4, whose first half is 0.
 */
static __always_inline __u32 dp_player_hash(const struct dp_config *config, __u32 server,
					    const struct dp_addr *player)
{
	const __be32 *words = player->words;
	__u64 first = (__u64)words[0] << 32 | words[1];
	__u64 second = (__u64)(words[2] ^ server) << 32 | words[3];
	__u64 product = (first * config->player_key ^ second) * config->player_key;

	/* The upper half of the product, scaled to the number of slots. */
	__u64 slot = (product >> 32) * DP_PLAYER_SLOTS >> 32;

	/* Keeps the compiler from merging this with the scaling by a slot's size, where the verifier loses the bound. */
	barrier_var(slot);
	return slot;
}

static __always_inline __u32 *dp_player_slot(const struct dp_config *config, __u32 server,
					     const struct dp_addr *player)
{
	void *table = bpf_map_lookup_elem(&dp_players, &server);
	__u32 zero = 0;
	__u32 *slots;

	if (!table)
		return NULL;
	slots = bpf_map_lookup_elem(table, &zero);
	return slots ? &slots[dp_player_hash(config, server, player)] : NULL;
}

/* Stores that the player sent a packet. Writes once in each step. */
static __always_inline void dp_player_seen(const struct dp_config *config, __u32 server,
					   const struct dp_addr *player)
{
	__u32 *slot = dp_player_slot(config, server, player);
	__u32 now = dp_player_now();

	if (slot && *slot != now)
		*slot = now;
}

/*
 * When an upgrade replaces the tables with empty ones (dp_start_players), every
 * address counts as a player until the tables are dp_player_steps old.
 */
static __always_inline bool dp_is_player(const struct dp_config *config, __u32 server,
					 const struct dp_addr *player)
{
	__u32 *slot = dp_player_slot(config, server, player);
	__u32 now = dp_player_now();

	return slot &&
	       (now - *slot <= dp_player_steps || now - config->players_from <= dp_player_steps);
}
