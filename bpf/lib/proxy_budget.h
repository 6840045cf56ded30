/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The budget of connections and datagrams for the proxy: its queues are shared by
 * all containers, and one container must not fill them. A server has a budget
 * of its own, which no other server can use up, and takes from the shared one
 * beyond that. Segments of established connections are free.
 *
 * A budget is the time up to which it is spent: each connection or datagram adds
 * `interval`, and the time may be at most `now`. It lags at most `burst`
 * intervals behind.
 */
#pragma once

#include <stdbool.h>

#include "../maps/proxy_budgets.h"

#define DP_NS_PER_MS 1000000ULL

/* 50 per second and server, 256 at once. */
const volatile __u64 dp_own_interval_ns = 20 * DP_NS_PER_MS;
const volatile __u64 dp_own_burst = 256;

/* 500 per second, 512 at once: with 16 servers' own, what a proxy handles without delay. */
const volatile __u64 dp_shared_interval_ns = 2 * DP_NS_PER_MS;
const volatile __u64 dp_shared_burst = 512;

/* Another CPU may spend at the same time. */
#define DP_SPEND_TRIES 4

static __always_inline bool dp_proxy_spend(__u64 *spent, __u64 now, __u64 interval, __u64 burst)
{
	for (int i = 0; i < DP_SPEND_TRIES; i++) {
		__u64 before = *(volatile __u64 *)spent, from = before;

		if (from + burst * interval < now)
			from = now - burst * interval;
		if (from + interval > now)
			return false;
		if (__sync_val_compare_and_swap(spent, before, from + interval) == before)
			return true;
	}
	return false;
}

/* False when the server has used up its budget, and the shared one is used up, too. */
static __noinline int dp_proxy_budget_spend(__u32 server, int is_datagram)
{
	struct dp_proxy_budget *own, *shared;
	__u64 now = bpf_ktime_get_ns();
	__u32 none = 0;

	own = bpf_map_lookup_elem(&dp_budgets, &server);
	shared = bpf_map_lookup_elem(&dp_budgets, &none);
	if (!own || !shared)
		return false;
	if (is_datagram)
		return dp_proxy_spend(&own->datagrams, now, dp_own_interval_ns, dp_own_burst) ||
		       dp_proxy_spend(&shared->datagrams, now, dp_shared_interval_ns,
				      dp_shared_burst);
	return dp_proxy_spend(&own->connections, now, dp_own_interval_ns, dp_own_burst) ||
	       dp_proxy_spend(&shared->connections, now, dp_shared_interval_ns, dp_shared_burst);
}
