/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Public endpoints, which players connect to, and the container endpoints that they lead to. */
#pragma once

#include "layout.h"

struct dp_endpoint_key {
	struct dp_addr addr;
	__be16 port;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 family; /* enum dp_family */
	__u32 pad;
};

/* A range of ports has an entry for each port. */
struct dp_endpoint {
	__u32 server;
	__u32 counter; /* index into dp_traffic */
	struct dp_addr container;
	__be16 port; /* the container endpoint's */
	__u8 mac[6]; /* the container peer's */
	__u32 open; /* 0: closed. The server has this endpoint, but its packets go to the host */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_ENDPOINTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct dp_endpoint_key);
	__type(value, struct dp_endpoint);
} dp_endpoints SEC(".maps");
