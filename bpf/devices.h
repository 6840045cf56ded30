/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which interface a packet goes out of, as long as it is there. */
#pragma once

#include <stdbool.h>

#include <bpf/bpf_endian.h>

#include "maps.h"

/* ifindex of the host peer of the container with this address; 0 when it is gone. */
static __always_inline __u32 dp_host_peer_of(__be32 container)
{
	__u32 key = bpf_ntohl(container);
	__u32 *host_peer = bpf_map_lookup_elem(&dp_host_peers, &key);

	return host_peer ? *host_peer : 0;
}

static __always_inline bool dp_is_uplink(__u32 ifindex)
{
	return bpf_map_lookup_elem(&dp_uplinks, &ifindex);
}
