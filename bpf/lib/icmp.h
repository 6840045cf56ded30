/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors: messages about a packet, which quote its beginning. Where that
 * packet was translated, the quote has to be translated back, or its sender does
 * not recognize it: path-MTU discovery fails silently.
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

/* What an error quotes of a TCP segment or a datagram at least: the ports, and 4 bytes more. */
#define DP_ICMP_QUOTED_L4 8

/* Not redirects: no router on the way may tell a container where to send. */
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
