/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The configuration, and what it says of an address. */
#pragma once

#include "../maps/host.h"
#include "key.h"

/* Never NULL, but the verifier wants to see that asked. */
static __always_inline struct dp_config *dp_config_entry(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&dp_configs, &zero);
}

/* A subnet that is all zero contains every address: without a configuration, containers reach no player. */
static __always_inline bool dp_is_in_subnet(const struct dp_addr *addr,
					    const struct dp_subnet *subnet)
{
	const __be32 *words = addr->words, *mask = subnet->mask.words, *first = subnet->addr.words;

	return (words[3] & mask[3]) == first[3] && (words[2] & mask[2]) == first[2] &&
	       (words[1] & mask[1]) == first[1] && (words[0] & mask[0]) == first[0];
}

/* An address that containers are given, whether or not a server has it. */
static __always_inline bool dp_is_container(const struct dp_config *config, __u8 family,
					    const struct dp_addr *addr)
{
	return dp_is_in_subnet(addr, &config->container_subnets[family]);
}

/* An address that host peers are given, whether or not a server has it. */
static __always_inline bool dp_is_host_peer(const struct dp_config *config, __u8 family,
					    const struct dp_addr *addr)
{
	return dp_is_in_subnet(addr, &config->host_subnets[family]);
}

/* No player has such an address: 0.0.0.0/8, 127.0.0.0/8, from 224.0.0.0 up (multicast, reserved), and host peers. */
static __always_inline bool dp_is_invalid_destination(const struct dp_config *config, __u8 family,
						      const struct dp_addr *addr)
{
	__u8 first = bpf_ntohl(dp_v4(addr)) >> 24;

	if (family == DP_IPV4 && (first == 0 || first == 127 || first >= 224))
		return true;
	return dp_is_host_peer(config, family, addr);
}

/* An address of the host itself, besides those of host peers. The filter says no almost always. */
static __always_inline bool dp_is_host(const struct dp_config *config, const struct dp_addr *addr)
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
	       dp_is_container(config, family, addr) || dp_is_host(config, addr);
}
