/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where packets are sent to. */
#pragma once

#include "layout.h"

/*
 * The interfaces that packets may be sent to: host peers by server id, uplinks
 * by ifindex. The kernel removes an interface from such a map when it is
 * deleted. So a packet is sent to that very interface or to none, even where
 * another interface has its index by then.
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
