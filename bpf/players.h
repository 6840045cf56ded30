/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who a server's players are: the addresses that sent TCP to it lately. Replies
 * go to them and to nobody else, so that a container cannot send what it likes
 * to whom it likes from its game port.
 *
 * A table of times, not of connections. A slot says when somebody last sent who
 * falls into it; nothing is ever taken out, and nobody can push out anybody.
 * Two that share a slot only make the rule laxer. Where one falls is told by a
 * secret of the host's, or a container could work out whom it may send to.
 */
#pragma once

#include "maps.h"

/* 16 MiB. Of 40,000 players and servers that see each other, a stranger looks like one in 100 cases. */
#define DP_PLAYER_BITS 22

/*
 * Time goes in steps of 2^14 jiffies, of which the verifier makes a load: no
 * other clock is that cheap. A step is 16 s with CONFIG_HZ=1000, 66 s with 250.
 */
#define DP_PLAYER_STEP_BITS 14

/* So that a slot nobody was in is older than anything. */
#define DP_PLAYER_FIRST_STEP (1U << 31)

/*
 * For how many steps somebody is a player: 2 1/2 hours with CONFIG_HZ=1000, 10
 * with 250. An idle connection is probed after 2 (RFC 9293 3.8.4): none is cut off.
 */
const volatile __u32 dp_player_steps = 550;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << DP_PLAYER_BITS);
	__type(key, __u32);
	__type(value, __u32);
} dp_players SEC(".maps");

static __always_inline __u32 dp_player_now(void)
{
	return DP_PLAYER_FIRST_STEP + (bpf_jiffies64() >> DP_PLAYER_STEP_BITS);
}

/* Multiplicative hashing: the product's upper bits (Dietzfelbinger et al., 1997). The key is odd. */
static __always_inline __u32 *dp_player_slot(const struct dp_config *config, __be32 container,
					     __be32 player)
{
	__u64 pair = (__u64)container << 32 | player;
	__u32 slot = (pair * config->player_key) >> (64 - DP_PLAYER_BITS);

	return bpf_map_lookup_elem(&dp_players, &slot);
}

/* A packet came from this address. Written once a step. */
static __always_inline void dp_player_seen(const struct dp_config *config, __be32 container,
					   __be32 player)
{
	__u32 *slot = dp_player_slot(config, container, player);
	__u32 now = dp_player_now();

	if (slot && *slot != now)
		*slot = now;
}

/*
 * A table that was made while servers had players knows none of them: until it
 * is so old that all who are left were noted, everybody counts as a player.
 */
static __always_inline bool dp_is_player(const struct dp_config *config, __be32 container,
					 __be32 player)
{
	__u32 *slot = dp_player_slot(config, container, player);
	__u32 now = dp_player_now();

	return slot &&
	       (now - *slot <= dp_player_steps || now - config->players_from <= dp_player_steps);
}
