/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the fragments of one datagram have in common: the first alone has ports. */
#pragma once

#include <linux/ip.h>

#include "maps.h"

static __always_inline struct dp_fragment_key dp_fragment_key_of(const struct iphdr *ip)
{
	return (struct dp_fragment_key){ .src = ip->saddr, .dst = ip->daddr, .id = ip->id };
}
