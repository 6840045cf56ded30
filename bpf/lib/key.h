/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writing keys as hash maps read them: 4 and 8 bytes at a time. A processor
 * cannot serve such a load from several smaller stores: it waits until they are
 * in its cache, which costs half as much as the look-up itself. The compiler
 * would write each field by itself.
 *
 * Fields are put together for little-endian processors, as all objects are.
 */
#pragma once

#include "addr.h"

/* Of a key on the stack. */
#define DP_KEY __attribute__((aligned(8)))

/* 8 bytes of a key, from an offset that is a multiple of 8 on. */
static __always_inline void dp_store_key(void *part, __u64 value)
{
	*(volatile __u64 *)part = value;
}

static __always_inline void dp_store_addr(struct dp_addr *part, const struct dp_addr *addr)
{
	dp_store_key(&part->words[0], (__u64)addr->words[1] << 32 | addr->words[0]);
	dp_store_key(&part->words[2], (__u64)addr->words[3] << 32 | addr->words[2]);
}
