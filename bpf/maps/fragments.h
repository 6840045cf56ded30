/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fragmented packets. Only the first fragment has ports, so it is stored for the
 * later ones. LRU maps: new entries evict the oldest.
 */
#pragma once

#include "layout.h"

/* The same in all fragments of one packet (RFC 791, RFC 8200 4.5). */
struct dp_fragment_key {
	struct dp_addr src;
	struct dp_addr dst;
	__u32 id; /* 16 bits in IPv4 */
	__u8 protocol;
	__u8 family; /* enum dp_family */
	__u16 pad;
};

/*
 * Packets from players. Each fragment looks its endpoint up again and compares the
 * server: entries of a removed server have no effect.
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
