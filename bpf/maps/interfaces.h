/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The interfaces that packets are redirected to. */
#pragma once

#include "layout.h"

/*
 * Host peers by server id, uplinks by ifindex. The kernel removes an interface from
 * a device map when the interface is deleted. So no packet goes to another
 * interface that has got the same index since.
 */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, DP_MAX_SERVERS + 1);
	__type(key, __u32);
	__type(value, __u32); /* ifindex */
} dp_host_peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u32); /* ifindex, the same */
} dp_uplinks SEC(".maps");
