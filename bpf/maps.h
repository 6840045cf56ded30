/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps of datapath: the only declaration of their keys and values. The
 * TypeScript layouts are generated from these types' BTF.
 *
 * Byte order: __be16 and __be32 are network order, as in a packet; everything
 * else is the host's. Padding is explicit and always zero, so that two equal
 * keys are equal bytes.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "drop.h"

/*
 * Raised with every change of what is declared here, in flow_maps.h or in
 * players.h: a build takes over the maps of older layouts, and keeps its hands
 * off newer ones.
 */
enum dp_layout {
	DP_LAYOUT_VERSION = 1,
};

/* A default for 65,536 servers; the loader may set another before it loads. */
#define DP_MAX_SERVERS 65536

#define DP_NAME_LEN 64
#define DP_NETNS_LEN 128
#define DP_IFNAME_LEN 16
#define DP_BUILD_LEN 32

/* Who loaded last. Every build reads it before all else, of whatever build it is: this one never changes. */
struct dp_meta {
	__u32 layout_version; /* enum dp_layout */
	__u32 pad;
	__u64 loaded_at; /* nanoseconds since 1970-01-01 UTC */
	char build[DP_BUILD_LEN]; /* its version, for people */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dp_meta);
} dp_meta SEC(".maps");

/* Where players connect: a public address and port of the host. */
struct dp_public_key {
	__be32 addr;
	__be16 port;
	__u16 pad;
};

/* What went one way, since the server was added. */
struct dp_traffic {
	__u64 packets; /* a GSO super-packet is one */
	__u64 bytes; /* with Ethernet headers */
};

/*
 * Where dnat sends what arrives there. Per CPU, and the same on each but for
 * the counters: so one look-up finds both, and no two CPUs share a line.
 */
struct dp_dnat_target {
	__u32 host_peer; /* ifindex of the host peer: bpf_redirect_peer enters its other end */
	__be32 addr; /* the container's */
	__be16 port; /* the game port */
	__u8 mac[6]; /* the container peer's */
	struct dp_traffic traffic; /* to the container */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct dp_public_key);
	__type(value, struct dp_dnat_target);
} dp_dnat_targets SEC(".maps");

/*
 * What snat and arp know of the container behind a host peer. Key: the host
 * peer's ifindex. Per CPU for its counters' sake, as above.
 */
struct dp_snat_target {
	__be32 addr; /* the container's: the only source address it may use */
	__be32 host_addr; /* the host peer's: the container's gateway */
	__be32 public_addr; /* what its players connected to: the source of its replies */
	__be16 public_port;
	__be16 game_port;
	__u32 uplink; /* ifindex replies leave by */
	__u32 group; /* servers of one group reach each other's game port; 0: none */
	__u8 mac[6]; /* the container peer's: the only source MAC it may use */
	__u16 pad;
	struct dp_traffic traffic; /* replies to players */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct dp_snat_target);
} dp_snat_targets SEC(".maps");

/*
 * The interfaces packets may be sent out of: host peers by their container's
 * address (in the host's byte order: the kernel takes its low bits for the
 * hash), uplinks by their ifindex. The kernel takes an interface out of such a
 * map the moment it is deleted. So an index another one has by now is never
 * taken for the first: what is looked up here is that very interface, or none.
 */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__type(key, __u32);
	__type(value, __u32); /* ifindex */
} dp_host_peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u32); /* ifindex, the same */
} dp_uplinks SEC(".maps");

/*
 * The record of a server: what the host's tools know of it. No packet program
 * reads it. Key: the container's address, the one thing of a server that
 * never changes.
 */
enum dp_server_state {
	DP_SERVER_NONE = 0,
	DP_SERVER_PENDING = 1, /* being added or removed; whoever finds it finishes or undoes it */
	DP_SERVER_ACTIVE = 2,
	DP_SERVER_FROZEN = 3, /* held for a checkpoint */
};

struct dp_veth_peer {
	__u32 ifindex;
	__be32 addr;
	__u8 mac[6];
	__u16 pad;
	char name[DP_IFNAME_LEN];
};

struct dp_net_data {
	__u32 state; /* enum dp_server_state */
	__be32 public_addr;
	__u16 host_port;
	__u16 game_port;
	__u32 uplink; /* ifindex */
	__u64 created_at; /* nanoseconds since 1970-01-01 UTC */
	__u64 netns_cookie; /* of the container's namespace; never reused while the host is up */
	__u64 netns_inode;
	struct dp_veth_peer host_peer;
	struct dp_veth_peer container_peer; /* its ifindex is of its own namespace */
	char name[DP_NAME_LEN];
	char group[DP_NAME_LEN];
	char netns[DP_NETNS_LEN]; /* the path it was given by, for people */
	__u32 port_reserved; /* 1: the port's entry in ip_local_reserved_ports is ours to take out again */
	__u32 mtu; /* of both peers; 0: the uplink's, whatever that is */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __be32);
	__type(value, struct dp_net_data);
} dp_net_records SEC(".maps");

/*
 * What only one server may have, with the key of the record that has it: so a
 * server is found, and a conflict with ten thousand others, by one look-up.
 * Written before the record and removed after it: an entry the record does
 * not agree with is left over, and nobody's.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct dp_public_key);
	__type(value, __be32);
} dp_endpoints SEC(".maps");

struct dp_name {
	char text[DP_NAME_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct dp_name);
	__type(value, __be32);
} dp_names SEC(".maps");

struct dp_namespace {
	__u64 cookie;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct dp_namespace);
	__type(value, __be32);
} dp_namespaces SEC(".maps");

/*
 * The servers a command is adding, removing or moving, by their records' keys:
 * what is in here when nobody holds the lock was left by one that was killed.
 */
struct dp_change {
	__u64 since; /* nanoseconds since 1970-01-01 UTC */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __be32);
	__type(value, struct dp_change);
} dp_changes SEC(".maps");

/*
 * The names of groups by their numbers. A name's number is where its hash, or
 * the first free one behind, put it: no two names share one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct dp_name);
} dp_groups SEC(".maps");

/* Where the search for what is free begins: all below is taken. 0: from the first. */
struct dp_free {
	__u32 index; /* of an address in its subnet */
	__u32 port;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dp_free);
} dp_free SEC(".maps");

/*
 * Addresses of the host itself, besides host peers'. A server's reply to one
 * of them goes up the host's own stack. As of the last `dp` command that
 * changed something: one missing here is not reached, never leaked to.
 */
struct dp_host_addr {
	__u32 ifindex;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __be32);
	__type(value, struct dp_host_addr);
} dp_host_addrs SEC(".maps");

/*
 * What differs per host and may change while programs run. One entry, so the
 * verifier turns the look-up into an address: it costs no call.
 */
struct dp_config {
	__be16 http_port; /* the proxy's listeners, on each host peer's address */
	__be16 dns_port;
	__be16 tcp_port;
	__u16 pad;
	__be32 host_subnet;
	__be32 host_mask;
	__be32 container_subnet;
	__be32 container_mask;
	__u16 port_first; /* the range `--port auto` takes from, inclusive */
	__u16 port_last;
	__be32 public_addr; /* default for servers added without an address */
	__u32 uplink; /* ifindex of the interface that has public_addr */
	__u32 players_from; /* nobody before this step was noted in dp_players: see players.h */
	/* Bit n: an address in dp_host_addrs ends in .n. Spares players' packets the look-up. */
	__u64 host_octets[4];
	__u64 player_key; /* odd, random, a secret: see players.h */
	__u64 held_until; /* ns since boot: containers open nothing until then; see hold.h */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dp_config);
} dp_configs SEC(".maps");

/*
 * Datagrams the first fragment of which went to a container: the later ones
 * have no ports and follow it. Only the port is kept, and looked up again, so
 * an entry never outlives its server. The oldest go first: a flood of
 * fragments costs other fragments, nothing else.
 */
struct dp_fragment_key {
	__be32 src;
	__be32 dst;
	__be16 id;
	__u16 pad;
};

struct dp_fragment {
	__be16 port; /* the public port of the datagram */
	__u16 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct dp_fragment_key);
	__type(value, struct dp_fragment);
} dp_fragments SEC(".maps");

/*
 * What was dropped of a container's packets, by its host peer's ifindex: an
 * entry is made with the server. Key 0 counts what belongs to none.
 */
struct dp_drops {
	__u64 packets[DP_DROP_MAX]; /* by enum dp_drop */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct dp_drops);
} dp_drop_counts SEC(".maps");
