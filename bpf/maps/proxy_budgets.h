/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How often servers may ask the proxy for something new. lib/proxy_budget.h spends from it. */
#pragma once

#include "layout.h"

/* Up to when it is spent, in ns since boot; 0: never used. */
struct dp_proxy_budget {
	__u64 connections;
	__u64 datagrams;
};

/* By server id: each has a budget of its own. Entry 0 is what all servers share beyond theirs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DP_MAX_SERVERS + 1);
	__type(key, __u32);
	__type(value, struct dp_proxy_budget);
} dp_budgets SEC(".maps");
