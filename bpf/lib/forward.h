/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Finds the forward with a container port. */
#pragma once

#include <stdbool.h>

#include <linux/in.h>
#include <bpf/bpf_endian.h>

#include "../maps/servers.h"

/*
 * Whether a forward has this family, protocol and container port. Compares its
 * first 8 bytes with one load: first, count, public_first, protocol, family.
 *
 * @wanted: the family in the second byte, the protocol in the first
 * @port: in the host's byte order
 */
static __always_inline bool dp_forward_matches(const struct dp_forward *forward, __u32 wanted,
					       __u16 port)
{
	__u64 head = *(const __u64 *)forward;

	return head >> 48 == wanted && (__u16)(port - head) < (__u16)(head >> 16);
}

/*
 * The index of the first forward that matches; DP_FORWARDS when there is none.
 *
 * Not static, so the verifier checks it once, by itself. Inlined, it would check
 * the loop for each path that leads to it.
 */
__noinline __u32 dp_forward_index(const struct dp_server *server, __u32 wanted, __u32 port)
{
	__u32 end, at;

	if (!server)
		return DP_FORWARDS;
	end = server->forward_count * sizeof(struct dp_forward);
	if (end > sizeof(server->forwards))
		end = sizeof(server->forwards);
#pragma clang loop unroll(disable)
	for (at = 0; at < end; at += sizeof(struct dp_forward)) {
		if (dp_forward_matches((void *)server->forwards + at, wanted, port))
			return at / sizeof(struct dp_forward);
	}
	return DP_FORWARDS;
}

/*
 * The forward of a server with a container port, in network order; NULL when
 * there is none. A server with one forward costs no function call.
 */
static __always_inline const struct dp_forward *
dp_find_forward(const struct dp_server *server, __u8 protocol, __u8 family, __be16 container_port)
{
	__u32 wanted = (__u32)family << 8 | protocol;
	__u16 port = bpf_ntohs(container_port);
	__u32 index;

	if (dp_forward_matches(&server->forwards[0], wanted, port))
		return &server->forwards[0];
	if (server->forward_count < 2)
		return NULL;
	index = dp_forward_index(server, wanted, port);
	if (index >= DP_FORWARDS)
		return NULL;
	/* The compiler may check a copy of the index. The verifier needs this bound. */
	barrier_var(index);
	return &server->forwards[index % DP_FORWARDS];
}

/* The public port of a container port of this forward, both in network order. */
static __always_inline __be16 dp_public_port(const struct dp_forward *forward,
					     __be16 container_port)
{
	return bpf_htons(bpf_ntohs(container_port) - forward->first + forward->public_first);
}
