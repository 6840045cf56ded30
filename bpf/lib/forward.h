/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The forward that leads to a container port. */
#pragma once

#include <linux/in.h>
#include <linux/stddef.h>

#include "../maps/servers.h"

/* The part of a forward that is compared, in one load: its first 8 bytes. */
#define DP_FORWARD_PROTOCOL_SHIFT (8 * offsetof(struct dp_forward, protocol))

/*
 * Finds the forward of a server by container port, in network order. It is
 * copied: then the verifier looks at what follows once, and not once for each
 * place in the list. False when there is none.
 */
static __always_inline bool dp_find_forward(const struct dp_server *server, __u8 protocol,
					    __u8 family, __be16 container_port,
					    struct dp_forward *found)
{
	__u16 wanted = (__u16)family << 8 | protocol;
	__u16 port = bpf_ntohs(container_port);
	const struct dp_forward *forward;
	__u64 head;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < DP_FORWARDS; i++) {
		if (i >= server->forward_count)
			break;
		forward = &server->forwards[i];
		head = *(const __u64 *)forward;
		/* first in bits 0 to 15, count in 16 to 31 */
		if (head >> DP_FORWARD_PROTOCOL_SHIFT != wanted ||
		    (__u16)(port - (__u16)head) >= (__u16)(head >> 16))
			continue;
		*found = *forward;
		return true;
	}
	return false;
}

/* The public port that a container port of this forward has, both in network order. */
static __always_inline __be16 dp_public_port(const struct dp_forward *forward,
					     __be16 container_port)
{
	return bpf_htons(bpf_ntohs(container_port) - forward->first + forward->public_first);
}
