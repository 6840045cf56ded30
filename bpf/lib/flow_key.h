/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The keys of the two entries of a flow. */
#pragma once

#include "../maps/flows.h"
#include "key.h"

/* As the container sees it. */
static __always_inline void dp_set_flow_key(struct dp_flow_key *key, __u32 server, __u8 family,
					    __u8 protocol, const struct dp_addr *dst, __be16 sport,
					    __be16 dport)
{
	dp_store_addr(&key->dst, dst);
	dp_store_key(&key->sport,
		     sport | (__u32)dport << 16 | (__u64)protocol << 32 | (__u64)family << 40);
	key->server = server;
}

/* As the proxy sees it. */
static __always_inline void dp_set_origin_key(struct dp_origin_key *key, __u32 server, __u8 family,
					      __u8 protocol, __be16 sport)
{
	dp_store_key(key,
		     server | (__u64)sport << 32 | (__u64)protocol << 48 | (__u64)family << 56);
}
