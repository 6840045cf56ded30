/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fragmented packets: the first fragment alone has ports, the later ones follow
 * it. The oldest entries are evicted first.
 */
#pragma once

#include "layout.h"

/* What the fragments of one packet have in common (RFC 791, RFC 8200 4.5). */
struct dp_fragment_key {
	struct dp_addr src;
	struct dp_addr dst;
	__u32 id; /* 16 bits in IPv4 */
	__u8 protocol;
	__u8 family; /* enum dp_family */
	__u16 pad;
};

/*
 * From players. The endpoint is looked up again by its port: an entry does not
 * outlive its server, nor does it lead to the server that has the port after it.
 */
struct dp_fragment {
	__u64 at; /* ns since boot: when the first fragment came */
	__u32 server; /* 0: the packet is the host's, or its fragments contradict each other */
	__be16 port; /* of the public endpoint */
	__u16 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct dp_fragment_key);
	__type(value, struct dp_fragment);
} dp_fragments SEC(".maps");

/* Datagrams of the proxy to containers: their source, as the container sees it. */
struct dp_answer_source {
	struct dp_addr addr;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct dp_fragment_key);
	__type(value, struct dp_answer_source);
} dp_answer_frags SEC(".maps");
