/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What all maps have in common. The headers of this folder are the only
 * declaration of keys and values: the TypeScript layouts are generated from
 * these types' BTF. control.h declares the maps that only `dp` reads, the
 * others declare what the programs read.
 *
 * Byte order: __be16 and __be32 are in network order, as in a packet; everything
 * else is in the host's. Padding is explicit and always zero, so that two equal
 * keys are equal bytes.
 *
 * A server is known by its id: from 1, at most the number of servers the maps
 * have room for. 0 is no server.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "../lib/addr.h"

/*
 * Raised with every change to a key or value in this folder. A build migrates
 * the maps of older layouts and leaves those of newer layouts alone. Layout 1
 * is not migrated: no release had it.
 */
enum dp_layout {
	DP_LAYOUT_VERSION = 2,
};

/* The default. The loader may set another number before it loads. */
#define DP_MAX_SERVERS 4096

/* A range of ports is one forward. */
#define DP_FORWARDS 32

/* Room for 4 forwards and 64 public endpoints for each server, on average. */
#define DP_MAX_COUNTERS (DP_MAX_SERVERS * 4)
#define DP_MAX_ENDPOINTS (DP_MAX_SERVERS * 64)

/*
 * All servers' flows together. A server has DP_RESERVED_FLOWS that no other can
 * take, beyond that it takes from DP_SHARED_FLOWS. With more than 2,048 servers
 * not all of them can have all that is reserved for them at once.
 */
#define DP_MAX_FLOWS 262144
#define DP_RESERVED_FLOWS 64
#define DP_SHARED_FLOWS (DP_MAX_FLOWS / 2)
