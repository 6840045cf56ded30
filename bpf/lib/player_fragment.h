/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the later fragments of a player's packet go. The sender of any fragment
 * may be forged, so:
 *
 *  - a packet whose fragments contradict each other ends: first fragments with
 *    the same identification for two endpoints, or for an endpoint and the host,
 *    within the time that a host keeps fragments. From then on all of them are
 *    the host's, which lacks the others. Never do fragments of two servers mix;
 *  - one server's packets do not evict all others' from the table: there is a
 *    budget for each server, and one for the host.
 */
#pragma once

#include "../maps/players.h"
#include "fragment.h"

/* As long as Linux keeps fragments (ipfrag_time), and longer than others do. */
const volatile __u64 dp_fragment_ns = 30000000000ULL;

/* Fragmented packets in about a second (2^30 ns): of a server, and of the host. The table has room for 4096. */
#define DP_FRAGMENT_INTERVAL_BITS 30
const volatile __u32 dp_fragment_budget = 128;

static struct dp_budget host_fragments;

/* May let some more through when two processors ask at once. */
static __always_inline bool dp_spend(struct dp_budget *budget, __u32 interval, __u32 most)
{
	if (budget->interval != interval) {
		budget->interval = interval;
		budget->spent = 0;
	}
	if (budget->spent >= most)
		return false;
	budget->spent++;
	return true;
}

static __always_inline bool dp_may_remember_fragment(__u32 server, __u64 now)
{
	struct dp_budget *budget = &host_fragments;
	struct dp_player_slots *slots;
	void *table;
	__u32 zero = 0;

	if (server) {
		table = bpf_map_lookup_elem(&dp_players, &server);
		slots = table ? bpf_map_lookup_elem(table, &zero) : NULL;
		if (!slots)
			return false;
		budget = &slots->fragments;
	}
	return dp_spend(budget, now >> DP_FRAGMENT_INTERVAL_BITS, dp_fragment_budget);
}

/*
 * A first fragment: false when its packet goes nowhere.
 *
 * @server: 0 where the packet is the host's
 * @port: of the public endpoint
 */
static __noinline bool dp_remember_fragment(struct dp_fragment_key *key, __u32 server, __be16 port)
{
	struct dp_fragment first = { .at = bpf_ktime_get_ns(), .server = server, .port = port };
	struct dp_fragment *known = bpf_map_lookup_elem(&dp_fragments, key);

	if (known && first.at - known->at < dp_fragment_ns) {
		if (known->server == server && known->port == port)
			return true;
		known->server = 0;
		return false;
	}
	if (!dp_may_remember_fragment(server, first.at))
		return false;
	if (known)
		return !bpf_map_update_elem(&dp_fragments, key, &first, BPF_EXIST);
	/* Another processor may have been faster, with another fragment. */
	return !bpf_map_update_elem(&dp_fragments, key, &first, BPF_NOEXIST);
}
