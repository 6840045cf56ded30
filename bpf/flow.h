/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a flow. How long one is kept:
 *   opening      the proxy has not accepted it yet          dp_opening_ns
 *   established  the proxy's socket lives (dp_sockops)      as long as that
 *   closing      it does not; late segments may come        dp_closing_ns
 *   datagrams    UDP, since the last one (to the second)    dp_udp_ns
 * A timer in the entry removes both halves; no process is needed for it. The
 * timer keeps the program it was last set by in the kernel, and runs that one's
 * code: programs may be replaced while timers run.
 *
 * From Linux 6.18 on there is a timer only if memory for it is at hand without
 * waiting for anybody. Flows that get none are removed by a sweep through all.
 */
#pragma once

#include "flow_maps.h"
#include "hold.h"
#include "packet.h"

#define DP_NS_PER_SEC 1000000000ULL
#define DP_NEVER 0
#define DP_MONOTONIC 1 /* CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns() */

const volatile __u64 dp_opening_ns = 60 * DP_NS_PER_SEC;
const volatile __u64 dp_closing_ns = 30 * DP_NS_PER_SEC;
const volatile __u64 dp_udp_ns = 30 * DP_NS_PER_SEC;

/* Between two sweeps. One takes milliseconds, with the room for DP_MAX_FLOWS. */
const volatile __u64 dp_sweep_ns = 10 * DP_NS_PER_SEC;

/* A container that opens more than this at once has its next ones dropped, and nobody else's. */
const volatile __s32 dp_max_flows = 16384;

/* How many other ports are tried for one that is taken. Each is random: the first almost always does. */
#define DP_PORT_TRIES 16

enum dp_flow_result {
	DP_FLOW_FOUND,
	DP_FLOW_NONE, /* there is none, and this packet opens none */
	DP_FLOW_FULL,
	DP_FLOW_HELD, /* none may be opened now: hold.h */
};

/* Whether this is what the proxy's side knows of that flow: a port may be another flow's by now. */
static __always_inline bool dp_is_origin_of(const struct dp_origin *origin,
					    const struct dp_flow_key *key)
{
	return origin->dst == key->dst && origin->dport == key->dport &&
	       origin->sport == key->sport;
}

/* Removes both halves of a flow. */
static __always_inline void dp_flow_forget(struct dp_origin_key *key, struct dp_origin *origin)
{
	struct dp_flow_key flow = {
		.container = key->container,
		.dst = origin->dst,
		.sport = origin->sport,
		.dport = origin->dport,
		.protocol = key->protocol,
	};
	struct dp_veth_pair *pair;
	struct dp_flow *known;

	/* Where half of it was lost before, it may have begun anew under another port. */
	known = bpf_map_lookup_elem(&dp_flows, &flow);
	if (known && known->sport == key->sport)
		bpf_map_delete_elem(&dp_flows, &flow);
	/* Whoever deletes the origin counts: this may run on two CPUs at once. */
	if (bpf_map_delete_elem(&dp_origins, key))
		return;
	pair = bpf_map_lookup_elem(&dp_veth_pairs, &flow.container);
	if (pair)
		__sync_fetch_and_add(&pair->flows, -1);
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
		dp_flow_forget(key, origin);
	return 0;
}

struct dp_swept {
	__u64 now;
	__u64 more; /* some are not due yet */
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
		dp_flow_forget(key, origin);
	return 0;
}

static int dp_sweep_timer(void *map __attribute__((unused)), __u32 *key __attribute__((unused)),
			  struct dp_sweep *sweep)
{
	struct dp_swept swept = { .now = bpf_ktime_get_ns() };

	/* Before looking: a flow that is added meanwhile arms it again. */
	sweep->armed = 0;
	bpf_for_each_map_elem(&dp_origins, dp_sweep_flow, &swept, 0);
	if (swept.more && !__sync_val_compare_and_swap(&sweep->armed, 0, 1))
		bpf_timer_start(&sweep->timer, dp_sweep_ns, 0);
	return 0;
}

/* Gives the sweep its timer, and this program's code. True when there is one. */
static __always_inline bool dp_sweep_init(struct dp_sweep *sweep)
{
	bpf_timer_init(&sweep->timer, &dp_sweeps, DP_MONOTONIC);
	return !bpf_timer_set_callback(&sweep->timer, dp_sweep_timer);
}

/* There is a flow without a timer. Should there be none for the sweep either, the next such flow tries again. */
static __always_inline void dp_sweep_later(void)
{
	__u32 zero = 0;
	struct dp_sweep *sweep = bpf_map_lookup_elem(&dp_sweeps, &zero);

	if (!sweep || __sync_val_compare_and_swap(&sweep->armed, 0, 1))
		return;
	if (!dp_sweep_init(sweep) || bpf_timer_start(&sweep->timer, dp_sweep_ns, 0))
		sweep->armed = 0;
}

/* Also after it was set before: the callback is then this program's, and a replaced one's use ends. */
static __always_inline void dp_flow_expire_in(struct dp_origin *origin, __u64 ns)
{
	origin->expires = bpf_ktime_get_ns() + ns;
	bpf_timer_init(&origin->timer, &dp_origins, DP_MONOTONIC);
	if (!bpf_timer_set_callback(&origin->timer, dp_flow_timer) &&
	    !bpf_timer_start(&origin->timer, ns, 0)) {
		origin->end = DP_FLOW_TIMED;
		return;
	}
	origin->end = DP_FLOW_SWEPT;
	dp_sweep_later();
}

/* As long as the proxy's socket lives. */
static __always_inline void dp_flow_established(struct dp_origin *origin)
{
	origin->expires = DP_NEVER;
	if (origin->end == DP_FLOW_COPIED)
		origin->end = DP_FLOW_SWEPT;
}

/* How long a flow is kept that was opened just now. */
static __always_inline __u64 dp_flow_opened_ns(__u8 protocol)
{
	return protocol == IPPROTO_UDP ? dp_udp_ns : dp_opening_ns;
}

/* Claims (container, sport): false when it is taken. */
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

static __always_inline void dp_flow_unclaim(struct dp_origin_key *key, struct dp_veth_pair *pair)
{
	if (!bpf_map_delete_elem(&dp_origins, key))
		__sync_fetch_and_add(&pair->flows, -1);
}

static __noinline int dp_flow_open(struct dp_flow_key *key, struct dp_veth_pair *pair,
				   __be16 listener, struct dp_flow *flow)
{
	__u64 ns = dp_flow_opened_ns(key->protocol);
	struct dp_origin_key as_seen = {
		.container = key->container,
		.sport = key->sport,
		.protocol = key->protocol,
	};
	struct dp_origin origin = {
		.dst = key->dst,
		.dport = key->dport,
		.sport = key->sport,
		.listener = listener,
	};
	struct dp_config *config;
	struct dp_flow *known;
	__u32 zero = 0;
	bool claimed;

	config = bpf_map_lookup_elem(&dp_configs, &zero);
	if (config && dp_flows_are_held(config))
		return DP_FLOW_HELD;
	if (pair->flows >= dp_max_flows)
		return DP_FLOW_FULL;
	claimed = dp_flow_claim(&as_seen, &origin, ns);
	for (int i = 0; i < DP_PORT_TRIES && !claimed; i++) {
		as_seen.sport = bpf_htons(1024 + bpf_get_prandom_u32() % (65536 - 1024));
		claimed = dp_flow_claim(&as_seen, &origin, ns);
	}
	if (!claimed)
		return DP_FLOW_FULL;
	__sync_fetch_and_add(&pair->flows, 1);

	flow->sport = as_seen.sport;
	flow->listener = listener;
	if (!bpf_map_update_elem(&dp_flows, key, flow, BPF_NOEXIST))
		return DP_FLOW_FOUND;

	/* Full, or another CPU was faster with the same flow: then that one counts. */
	dp_flow_unclaim(&as_seen, pair);
	known = bpf_map_lookup_elem(&dp_flows, key);
	if (!known)
		return DP_FLOW_FULL;
	*flow = *known;
	return DP_FLOW_FOUND;
}

/* Finds the flow of a packet. One that opens a flow gets one, if the container may have another. */
static __always_inline enum dp_flow_result dp_flow_of(struct dp_flow_key *key,
						      struct dp_veth_pair *pair, __be16 listener,
						      bool opens, struct dp_flow *flow)
{
	struct dp_origin_key as_seen = { .container = key->container, .protocol = key->protocol };
	struct dp_origin *origin;
	struct dp_flow *known;
	__u64 ns;

	known = bpf_map_lookup_elem(&dp_flows, key);
	if (!known)
		return opens ? dp_flow_open(key, pair, listener, flow) : DP_FLOW_NONE;
	*flow = *known;
	if (!opens)
		return DP_FLOW_FOUND;

	/* A datagram, or a connection opened again: it lives on. Written at most once a second. */
	as_seen.sport = flow->sport;
	origin = bpf_map_lookup_elem(&dp_origins, &as_seen);
	if (!origin || !dp_is_origin_of(origin, key)) {
		/* Half of a flow that is being removed. */
		bpf_map_delete_elem(&dp_flows, key);
		return dp_flow_open(key, pair, listener, flow);
	}
	if (origin->expires == DP_NEVER)
		return DP_FLOW_FOUND;
	if (flow->listener != listener) {
		/* The proxy listens elsewhere now: nobody holds on to the old port but this. */
		dp_flow_forget(&as_seen, origin);
		return dp_flow_open(key, pair, listener, flow);
	}
	ns = dp_flow_opened_ns(key->protocol);
	if (origin->expires < bpf_ktime_get_ns() + ns - DP_NS_PER_SEC)
		dp_flow_expire_in(origin, ns);
	return DP_FLOW_FOUND;
}
