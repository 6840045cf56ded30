/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The interfaces that packets are redirected to. */
#pragma once

#include <stdbool.h>

#include "../maps/interfaces.h"

/* ifindex of the server's host peer; 0 when the interface is gone. */
static __always_inline __u32 dp_host_peer_of(__u32 server)
{
	__u32 *host_peer = bpf_map_lookup_elem(&dp_host_peers, &server);

	return host_peer ? *host_peer : 0;
}

/* False when the interface is gone. */
static __always_inline bool dp_is_uplink(__u32 ifindex)
{
	return bpf_map_lookup_elem(&dp_uplinks, &ifindex);
}
