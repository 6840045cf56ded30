/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes keys in units of 8 bytes, because hash maps read keys in units of 4 and
 * 8 bytes. A processor cannot forward several smaller stores to one load: it waits
 * until they are in the cache, which costs half as much as the look-up itself. The
 * compiler would write each field by itself.
 *
 * The order of the fields is for little-endian processors, as all objects are.
 */
#pragma once

#include "addr.h"

/* For a key on the stack. */
#define DP_KEY __attribute__((aligned(8)))

/* Writes 8 bytes of a key, at an offset that is a multiple of 8. */
static __always_inline void dp_store_key(void *part, __u64 value)
{
	*(volatile __u64 *)part = value;
}

static __always_inline void dp_store_addr(struct dp_addr *part, const struct dp_addr *addr)
{
	dp_store_key(&part->words[0], (__u64)addr->words[1] << 32 | addr->words[0]);
	dp_store_key(&part->words[2], (__u64)addr->words[3] << 32 | addr->words[2]);
}
