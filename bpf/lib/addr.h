/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One address type for IPv4 and IPv6. */
#pragma once

#include <stdbool.h>

#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Index of arrays by family, and a field of keys: 10.0.0.1 and ::ffff:10.0.0.1 have the same bytes. */
enum dp_family {
	DP_IPV4 = 0,
	DP_IPV6 = 1,
	DP_FAMILIES = 2,
};

/*
 * IPv6, or IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). All zero: no address. A
 * packet on the wire with an IPv4-mapped IPv6 address is never looked up.
 */
struct dp_addr {
	__be32 words[4];
};

#define DP_MAPPED bpf_htonl(0xffff)

static __always_inline struct dp_addr dp_addr_v4(__be32 v4)
{
	return (struct dp_addr){ .words = { 0, 0, DP_MAPPED, v4 } };
}

/* The IPv4 address; only for an IPv4 address. */
static __always_inline __be32 dp_v4(const struct dp_addr *addr)
{
	return addr->words[3];
}

/* Compares the last word first: it differs most often. */
static __always_inline bool dp_addr_equal(const struct dp_addr *one, const struct dp_addr *other)
{
	return one->words[3] == other->words[3] && one->words[2] == other->words[2] &&
	       one->words[1] == other->words[1] && one->words[0] == other->words[0];
}
