/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A container says itself how a big packet is to be cut into segments (GSO), and
 * neither a veth pair nor a redirect checks it: so segments could be longer than
 * the next interface's MTU, or one packet become 65,000.
 */
#pragma once

#include <stdbool.h>

#include "parse.h"

/* 64 KiB in segments of 512 bytes, below the smallest that TCP uses on any path (536, RFC 9293 3.7.1). */
#define DP_MAX_SEGMENTS 128

/* Every IPv4 link carries packets of this length (RFC 791): such need no look at the interface. */
#define DP_SHORT_PACKET 576

/* A TCP packet that would leave by this interface: false when its segments are too long, or too many. */
static __always_inline bool dp_segments_fit(struct __sk_buff *skb, const struct dp_packet *packet,
					    __u32 ifindex)
{
	__u32 length = skb->len - ETH_HLEN, mtu = 0, headers;

	if (length <= DP_SHORT_PACKET && !skb->gso_size)
		return true;
	if (skb->gso_size) {
		headers = packet->l4_off - ETH_HLEN + dp_tcp_header(packet);
		if (length > headers + skb->gso_size * DP_MAX_SEGMENTS)
			return false;
		length = headers + skb->gso_size;
	}
	/* It tells the MTU; what it says of the packet is for other uses. */
	bpf_check_mtu(skb, ifindex, &mtu, 0, 0);
	return length <= mtu;
}
