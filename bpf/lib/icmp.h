/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors: they quote the beginning of the packet that caused them. If this
 * packet was translated, the quote must be translated back: otherwise the sender
 * ignores the error, and path-MTU discovery fails silently.
 */
#pragma once

#include <stdbool.h>

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

/*
 * RFC 792. <linux/icmp.h> has the same, but includes the C library's headers,
 * which do not exist for this target.
 */
struct dp_icmp {
	__u8 type;
	__u8 code;
	__sum16 check;
	__be32 rest;
};

#define DP_ICMP_UNREACHABLE 3
#define DP_ICMP_FRAGMENTATION_NEEDED 4 /* a code of it */
#define DP_ICMP_ECHO 8
#define DP_ICMP_TIME_EXCEEDED 11
#define DP_ICMP_PARAMETER_PROBLEM 12

/* An error quotes at least 8 bytes of the TCP or UDP header: the ports, and 4 bytes more. */
#define DP_ICMP_QUOTED_L4 8

/* Redirects are not included: routers must not change the routes of a container. */
static __always_inline bool dp_icmp_is_error(__u8 type)
{
	return type == DP_ICMP_UNREACHABLE || type == DP_ICMP_TIME_EXCEEDED ||
	       type == DP_ICMP_PARAMETER_PROBLEM;
}

/* The sender is told that a link on the way carries smaller packets only. */
static __always_inline bool dp_is_fragmentation_needed(const struct dp_icmp *icmp)
{
	return icmp->type == DP_ICMP_UNREACHABLE && icmp->code == DP_ICMP_FRAGMENTATION_NEEDED;
}
