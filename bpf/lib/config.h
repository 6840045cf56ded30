/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The configuration, and checks of addresses against it. */
#pragma once

#include "../maps/host.h"
#include "key.h"

/* Never NULL, but the verifier requires the check. */
static __always_inline struct dp_config *dp_config_entry(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&dp_configs, &zero);
}

/* A subnet of zeros contains every address: before the configuration is set, containers reach no player. */
static __always_inline bool dp_is_in_subnet(const struct dp_addr *addr,
					    const struct dp_subnet *subnet)
{
	const __be32 *words = addr->words, *mask = subnet->mask.words, *first = subnet->addr.words;

	return (words[3] & mask[3]) == first[3] && (words[2] & mask[2]) == first[2] &&
	       (words[1] & mask[1]) == first[1] && (words[0] & mask[0]) == first[0];
}

/* Any address of the container subnet, also one that no server has. */
static __always_inline bool dp_is_container_addr(const struct dp_config *config, __u8 family,
						 const struct dp_addr *addr)
{
	return dp_is_in_subnet(addr, &config->container_subnets[family]);
}

/* Any address of the host subnet, also one that no server has. */
static __always_inline bool dp_is_host_peer_addr(const struct dp_config *config, __u8 family,
						 const struct dp_addr *addr)
{
	return dp_is_in_subnet(addr, &config->host_subnets[family]);
}

/* Addresses that no player has: 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0 and above (multicast, reserved), host peers. */
static __always_inline bool dp_is_invalid_destination(const struct dp_config *config, __u8 family,
						      const struct dp_addr *addr)
{
	__u8 first = bpf_ntohl(dp_v4(addr)) >> 24;

	if (family == DP_IPV4 && (first == 0 || first == 127 || first >= 224))
		return true;
	return dp_is_host_peer_addr(config, family, addr);
}

/* An address of the host, other than of a host peer. For most addresses the filter saves the look-up. */
static __always_inline bool dp_is_host_addr(const struct dp_config *config,
					    const struct dp_addr *addr)
{
	__u8 last = bpf_ntohl(addr->words[3]);
	struct dp_addr key DP_KEY;

	dp_store_addr(&key, addr);
	return config->host_filter[last / 64] & (1ULL << (last % 64)) &&
	       bpf_map_lookup_elem(&dp_host_addrs, &key);
}

/*
 * No packet from an uplink is from such an address: this host would have sent it
 * itself, or no host can. What has such a source is forged.
 */
static __always_inline bool dp_is_impossible_source(const struct dp_config *config, __u8 family,
						    const struct dp_addr *addr)
{
	return dp_is_invalid_destination(config, family, addr) ||
	       dp_is_container_addr(config, family, addr) || dp_is_host_addr(config, addr);
}
