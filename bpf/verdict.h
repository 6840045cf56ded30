/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a program says of a packet. */
#pragma once

#include <linux/pkt_cls.h>

#include "maps.h"

/*
 * The same numbers mean the same to a TCX link and to a clsact filter in
 * direct-action mode.
 */
enum dp_verdict {
	DP_NEXT = TC_ACT_UNSPEC, /* not ours: the next program on the hook, or the stack */
	DP_PASS = TC_ACT_OK, /* allowed, up the stack */
	DP_SHOT = TC_ACT_SHOT,
};

static __always_inline void dp_count(struct dp_traffic *traffic, const struct __sk_buff *skb)
{
	traffic->packets++;
	traffic->bytes += skb->len;
}
