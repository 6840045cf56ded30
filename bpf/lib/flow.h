/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The states of a flow, and how long each lasts:
 *   opening      the proxy has not accepted it yet          dp_opening_ns
 *   established  the proxy's socket exists (dp_sockops)     until it is closed
 *   closing      late segments may arrive                   dp_closing_ns
 *   datagrams    UDP; since the last one (to the second)    dp_udp_ns
 * A timer in the origin entry removes both entries of the flow, without a
 * process. A timer runs the code of the program that set it last, and keeps this
 * program in the kernel: programs may be replaced while timers run.
 *
 * From Linux 6.18 on, setting a timer fails when the kernel has no memory at
 * hand. Flows without a timer are removed by the sweep, one timer that goes
 * through all flows.
 */
#pragma once

#include <linux/in.h>

#include "config.h"
#include "flow_key.h"
#include "hold.h"
#include "kernel.h"

#define DP_NS_PER_SEC 1000000000ULL
#define DP_NEVER 0

const volatile __u64 dp_opening_ns = 60 * DP_NS_PER_SEC;
const volatile __u64 dp_closing_ns = 30 * DP_NS_PER_SEC;
const volatile __u64 dp_udp_ns = 30 * DP_NS_PER_SEC;

/* Between two sweeps. A sweep of DP_MAX_FLOWS flows takes milliseconds. */
const volatile __u64 dp_sweep_ns = 10 * DP_NS_PER_SEC;

/*
 * Each server has dp_reserved_flows that no other server can use. Further flows
 * come from a pool that all servers share: at most dp_max_flows for one server,
 * and at most one DP_SHARE-th of the flows that are free in the pool. So some are
 * always free for other servers.
 */
const volatile __s32 dp_reserved_flows = DP_RESERVED_FLOWS;
const volatile __s32 dp_shared_flows = DP_SHARED_FLOWS;
const volatile __s32 dp_max_flows = 16384;

#define DP_SHARE 4 /* a quarter */

/* How many random ports are tried when the container's own port is taken. Nearly always the first is free. */
#define DP_PORT_TRIES 16

enum dp_flow_result {
	DP_FLOW_FOUND,
	DP_FLOW_NONE, /* not found, and this packet does not open one */
	DP_FLOW_FULL,
	DP_FLOW_HELD, /* none may be opened now: see hold.h */
};

/* Whether the origin entry is of this flow. Another flow may have the port by now. */
static __always_inline bool dp_is_origin_of(const struct dp_origin *origin,
					    const struct dp_flow_key *key)
{
	return dp_addr_equal(&origin->dst, &key->dst) && origin->dport == key->dport &&
	       origin->sport == key->sport;
}

static __always_inline void dp_flow_give_back(struct dp_flow_count *count,
					      struct dp_flow_count *shared)
{
	if (__sync_fetch_and_add(&count->flows, -1) > dp_reserved_flows)
		__sync_fetch_and_add(&shared->flows, -1);
}

/* Counts a flow: false when the server may have no further one. A flow beyond the reserved ones counts in both. */
static __always_inline bool dp_flow_take(struct dp_flow_count *count, struct dp_flow_count *shared)
{
	__s32 flows = __sync_fetch_and_add(&count->flows, 1), taken;

	if (flows < dp_reserved_flows)
		return true;
	taken = __sync_fetch_and_add(&shared->flows, 1);
	if (flows < dp_max_flows &&
	    (flows - dp_reserved_flows) * DP_SHARE < dp_shared_flows - taken)
		return true;
	dp_flow_give_back(count, shared);
	return false;
}

/* A flow of this server has ended. */
static __always_inline void dp_flow_ended(__u32 server)
{
	struct dp_flow_count *count, *shared;
	__u32 none = 0;

	count = bpf_map_lookup_elem(&dp_flow_counts, &server);
	shared = bpf_map_lookup_elem(&dp_flow_counts, &none);
	if (count && shared)
		dp_flow_give_back(count, shared);
}

/* Removes both entries of a flow. */
static __always_inline void dp_flow_remove(struct dp_origin_key *key, struct dp_origin *origin)
{
	struct dp_flow_key flow DP_KEY;
	struct dp_flow *known;

	dp_set_flow_key(&flow, key->server, key->family, key->protocol, &origin->dst, origin->sport,
			origin->dport);
	/* The flow may have been opened again with another port, after its origin entry was lost. */
	known = bpf_map_lookup_elem(&dp_flows, &flow);
	if (known && known->sport == key->sport)
		bpf_map_delete_elem(&dp_flows, &flow);
	/* Two CPUs may be here at once: only the one that deletes the entry counts. */
	if (!bpf_map_delete_elem(&dp_origins, key))
		dp_flow_ended(key->server);
}

static int dp_flow_timer(void *map __attribute__((unused)), struct dp_origin_key *key,
			 struct dp_origin *origin)
{
	__u64 expires = origin->expires;
	__u64 now = bpf_ktime_get_ns();

	if (expires == DP_NEVER)
		return 0;
	if (expires > now)
		bpf_timer_start(&origin->timer, expires - now, 0);
	else
		dp_flow_remove(key, origin);
	return 0;
}

struct dp_swept {
	__u64 now;
	__u64 more; /* 1: some flows have not expired yet */
};

static long dp_sweep_flow(void *map __attribute__((unused)), struct dp_origin_key *key,
			  struct dp_origin *origin, struct dp_swept *swept)
{
	bool copied = origin->end == DP_FLOW_COPIED;

	if (origin->end == DP_FLOW_TIMED || (origin->expires == DP_NEVER && !copied))
		return 0;
	if (origin->expires > swept->now || copied)
		swept->more = 1;
	else
		dp_flow_remove(key, origin);
	return 0;
}

static int dp_sweep_timer(void *map __attribute__((unused)), __u32 *key __attribute__((unused)),
			  struct dp_sweep *sweep)
{
	struct dp_swept swept = { .now = bpf_ktime_get_ns() };

	/* Before the loop: a flow that is added during the loop arms the sweep again. */
	sweep->armed = 0;
	bpf_for_each_map_elem(&dp_origins, dp_sweep_flow, &swept, 0);
	if (swept.more && !__sync_val_compare_and_swap(&sweep->armed, 0, 1))
		bpf_timer_start(&sweep->timer, dp_sweep_ns, 0);
	return 0;
}

/* Gives the sweep a timer that runs this program's code. False when the kernel has no memory for it. */
static __always_inline bool dp_sweep_init(struct dp_sweep *sweep)
{
	bpf_timer_init(&sweep->timer, &dp_sweeps, CLOCK_MONOTONIC);
	return !bpf_timer_set_callback(&sweep->timer, dp_sweep_timer);
}

/* For a flow without a timer. If the sweep gets no timer either, the next flow without a timer tries again. */
static __always_inline void dp_sweep_arm(void)
{
	__u32 zero = 0;
	struct dp_sweep *sweep = bpf_map_lookup_elem(&dp_sweeps, &zero);

	if (!sweep || __sync_val_compare_and_swap(&sweep->armed, 0, 1))
		return;
	if (!dp_sweep_init(sweep) || bpf_timer_start(&sweep->timer, dp_sweep_ns, 0))
		sweep->armed = 0;
}

/* Also when a timer was set before: then it runs this program's code, no longer that of a replaced program. */
static __always_inline void dp_flow_expire_in(struct dp_origin *origin, __u64 ns)
{
	origin->expires = bpf_ktime_get_ns() + ns;
	bpf_timer_init(&origin->timer, &dp_origins, CLOCK_MONOTONIC);
	if (!bpf_timer_set_callback(&origin->timer, dp_flow_timer) &&
	    !bpf_timer_start(&origin->timer, ns, 0)) {
		origin->end = DP_FLOW_TIMED;
		return;
	}
	origin->end = DP_FLOW_SWEPT;
	dp_sweep_arm();
}

/* No expiry while the proxy's socket exists. */
static __always_inline void dp_flow_established(struct dp_origin *origin)
{
	origin->expires = DP_NEVER;
	if (origin->end == DP_FLOW_COPIED)
		origin->end = DP_FLOW_SWEPT;
}

/* How long a new flow is kept. */
static __always_inline __u64 dp_flow_opened_ns(__u8 protocol)
{
	return protocol == IPPROTO_UDP ? dp_udp_ns : dp_opening_ns;
}

/* Creates the origin entry. False when another flow of the server has this port towards the proxy. */
static __always_inline bool dp_flow_claim(struct dp_origin_key *key, struct dp_origin *origin,
					  __u64 ns)
{
	struct dp_origin *claimed;

	if (bpf_map_update_elem(&dp_origins, key, origin, BPF_NOEXIST))
		return false;
	claimed = bpf_map_lookup_elem(&dp_origins, key);
	if (!claimed)
		return false;
	dp_flow_expire_in(claimed, ns);
	return true;
}

static __noinline int dp_flow_open(struct dp_flow_key *key, __be16 listener, struct dp_flow *flow)
{
	__u64 ns = dp_flow_opened_ns(key->protocol);
	struct dp_origin origin = {
		.dst = key->dst,
		.dport = key->dport,
		.sport = key->sport,
		.listener = listener,
	};
	struct dp_config *config = dp_config_entry();
	struct dp_origin_key origin_key DP_KEY;
	struct dp_flow_count *count, *shared;
	struct dp_flow *known;
	__u32 none = 0;
	bool claimed;

	if (config && dp_flows_are_held(config))
		return DP_FLOW_HELD;
	count = bpf_map_lookup_elem(&dp_flow_counts, &key->server);
	shared = bpf_map_lookup_elem(&dp_flow_counts, &none);
	if (!count || !shared || !dp_flow_take(count, shared))
		return DP_FLOW_FULL;
	dp_set_origin_key(&origin_key, key->server, key->family, key->protocol, key->sport);
	claimed = dp_flow_claim(&origin_key, &origin, ns);
	for (int i = 0; i < DP_PORT_TRIES && !claimed; i++) {
		origin_key.sport = bpf_htons(1024 + bpf_get_prandom_u32() % (65536 - 1024));
		claimed = dp_flow_claim(&origin_key, &origin, ns);
	}
	if (!claimed) {
		dp_flow_give_back(count, shared);
		return DP_FLOW_FULL;
	}

	flow->sport = origin_key.sport;
	flow->listener = listener;
	if (!bpf_map_update_elem(&dp_flows, key, flow, BPF_NOEXIST))
		return DP_FLOW_FOUND;

	/* The map is full, or another CPU has opened the same flow: then this packet uses the other CPU's entry. */
	if (!bpf_map_delete_elem(&dp_origins, &origin_key))
		dp_flow_give_back(count, shared);
	known = bpf_map_lookup_elem(&dp_flows, key);
	if (!known)
		return DP_FLOW_FULL;
	*flow = *known;
	return DP_FLOW_FOUND;
}

/*
 * Finds the flow of a packet, or opens one.
 *
 * @opens: whether the packet may open a flow
 */
static __always_inline enum dp_flow_result
dp_flow_find_or_open(struct dp_flow_key *key, __be16 listener, bool opens, struct dp_flow *flow)
{
	struct dp_origin_key origin_key DP_KEY;
	struct dp_origin *origin;
	struct dp_flow *known;
	__u64 ns;

	known = bpf_map_lookup_elem(&dp_flows, key);
	if (!known)
		return opens ? dp_flow_open(key, listener, flow) : DP_FLOW_NONE;
	*flow = *known;
	if (!opens)
		return DP_FLOW_FOUND;

	/* A datagram, or a repeated SYN: keeps the flow longer. Written at most once a second. */
	dp_set_origin_key(&origin_key, key->server, key->family, key->protocol, flow->sport);
	origin = bpf_map_lookup_elem(&dp_origins, &origin_key);
	if (!origin || !dp_is_origin_of(origin, key)) {
		/* Another CPU is removing this flow. */
		bpf_map_delete_elem(&dp_flows, key);
		return dp_flow_open(key, listener, flow);
	}
	if (origin->expires == DP_NEVER)
		return DP_FLOW_FOUND;
	if (flow->listener != listener) {
		/* The proxy's port has changed, and the proxy has not accepted this flow. */
		dp_flow_remove(&origin_key, origin);
		return dp_flow_open(key, listener, flow);
	}
	ns = dp_flow_opened_ns(key->protocol);
	if (origin->expires < bpf_ktime_get_ns() + ns - DP_NS_PER_SEC)
		dp_flow_expire_in(origin, ns);
	return DP_FLOW_FOUND;
}
