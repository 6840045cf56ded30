/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The players of a server: the addresses that completed a handshake with it
 * (lib/handshake.h) and sent TCP to it lately. Replies go to no other address,
 * so that a container cannot send what it likes to any address from a forward's
 * container port, and a forged packet makes no player.
 *
 * A table of times, not of connections. A slot says when a player of that hash
 * last sent something; nothing is ever removed, and no player can evict another.
 * Two addresses in one slot only make the rule laxer. The hash depends on a
 * secret of the host and on the server: a container cannot compute which
 * addresses share a slot.
 */
#pragma once

#include "../maps/players.h"
#include "config.h"

/*
 * Time goes in steps of 2^14 jiffies, which the verifier turns into a load: no
 * other clock is that cheap. A step is 16 s with CONFIG_HZ=1000, 66 s with 250.
 */
#define DP_PLAYER_STEP_BITS 14

/* An unused slot (0) is then older than any step. */
#define DP_PLAYER_FIRST_STEP (1U << 31)

/*
 * How many steps an address stays a player: 2.5 hours with CONFIG_HZ=1000, 10
 * with 250. An idle connection is probed after 2 hours (RFC 9293 3.8.4), so none
 * is cut off.
 */
const volatile __u32 dp_player_steps = 550;

static __always_inline __u32 dp_player_now(void)
{
	return DP_PLAYER_FIRST_STEP + (bpf_jiffies64() >> DP_PLAYER_STEP_BITS);
}

/* NULL for a server without a table: it has no players. */
static __always_inline struct dp_player_slots *dp_player_slots_of(__u32 server)
{
	void *table = bpf_map_lookup_elem(&dp_players, &server);
	__u32 zero = 0;

	return table ? bpf_map_lookup_elem(table, &zero) : NULL;
}

/*
 * Multiplicative hashing: the product's upper bits (Dietzfelbinger et al.,
 * 1997). The key is odd. One multiplication for IPv4 without ports, whose first
 * half is 0.
 *
 * @ports: 0, or what else tells two hashes of one player apart
 */
static __always_inline __u64 dp_player_hash(const struct dp_config *config, __u32 server,
					    const struct dp_addr *player, __u32 ports)
{
	const __be32 *words = player->words;
	__u64 first = (__u64)words[0] << 32 | (words[1] ^ ports);
	__u64 second = (__u64)(words[2] ^ server) << 32 | words[3];

	return (first * config->player_key ^ second) * config->player_key;
}

/* The place in a table of so many that the upper half of a hash says, as a fraction. */
static __always_inline __u64 dp_place_of(__u64 hash, __u64 places)
{
	__u64 place = (hash >> 32) * places >> 32;

	/*
	 * In 64 bits, and not merged with the scaling by the size of a slot: otherwise
	 * the verifier (Linux 6.1) would not know the bound.
	 */
	barrier_var(place);
	return place;
}

static __always_inline __u32 *dp_player_slot(struct dp_player_slots *slots,
					     const struct dp_config *config, __u32 server,
					     const struct dp_addr *player)
{
	__u64 hash = dp_player_hash(config, server, player, 0);

	return &slots->players[dp_place_of(hash, DP_PLAYER_SLOTS)];
}

/*
 * Tables that were made while servers had players know none of them: until such
 * a table is so old that all players have sent something, every address counts
 * as a player.
 */
static __always_inline bool dp_is_player_slot(const struct dp_config *config, __u32 slot, __u32 now)
{
	return now - slot <= dp_player_steps || now - config->players_from <= dp_player_steps;
}

static __always_inline bool dp_is_player(const struct dp_config *config, __u32 server,
					 const struct dp_addr *player)
{
	struct dp_player_slots *slots = dp_player_slots_of(server);

	return slots && dp_is_player_slot(config, *dp_player_slot(slots, config, server, player),
					  dp_player_now());
}
