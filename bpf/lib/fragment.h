/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The key of all fragments of one packet. Only the first fragment has ports. */
#pragma once

#include "../maps/fragments.h"
#include "parse.h"

static __always_inline struct dp_fragment_key dp_fragment_key_of(const struct dp_packet *packet)
{
	return (struct dp_fragment_key){
		.src = packet->src,
		.dst = packet->dst,
		.id = bpf_ntohs(packet->ip->id),
		.protocol = packet->protocol,
		.family = packet->family,
	};
}
