/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

#include <linux/pkt_cls.h>

/* What a program returns for a packet: the same for a TCX link and for a clsact filter in direct-action mode. */
enum dp_verdict {
	DP_NEXT = TC_ACT_UNSPEC, /* left to the next program on the hook, or to the stack */
	DP_PASS = TC_ACT_OK, /* allowed: up the stack */
	DP_SHOT = TC_ACT_SHOT,
};
