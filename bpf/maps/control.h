/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps that only `dp` reads and writes: its database. No program uses them,
 * control.bpf.c makes them.
 */
#pragma once

#include "layout.h"

#define DP_NAME_LEN 64
#define DP_PATH_LEN 128
#define DP_IFNAME_LEN 16
#define DP_BUILD_LEN 32
#define DP_OWNER_LEN 96

/* The stamp: which build loaded last. Every build can read it, so its layout never changes. */
struct dp_meta {
	__u32 layout_version; /* enum dp_layout */
	__u32 pad;
	__u64 loaded_at; /* nanoseconds since 1970-01-01 UTC */
	char build[DP_BUILD_LEN]; /* the version of the build, for messages */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dp_meta);
} dp_meta SEC(".maps");

enum dp_server_state {
	DP_SERVER_NONE = 0,
	DP_SERVER_PENDING = 1, /* being added or removed: the next change finishes or undoes it */
	DP_SERVER_ACTIVE = 2,
	DP_SERVER_FROZEN = 3, /* held for a checkpoint */
};

enum dp_network {
	DP_NETWORK_OWN = 0, /* the container has the network that dp made */
	DP_NETWORK_KEEP = 1, /* the container has a network of its own */
};

struct dp_veth_peer {
	__u32 ifindex; /* in the peer's own network namespace */
	__u8 mac[6];
	__u16 pad;
	char name[DP_IFNAME_LEN];
};

struct dp_address_pair {
	struct dp_addr container;
	struct dp_addr gateway;
};

/* One public endpoint, or a range of them, and the container endpoint it leads to. */
struct dp_record_forward {
	struct dp_addr public_addr;
	__u16 public_first;
	__u16 count;
	__u16 container_first;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 family; /* enum dp_family */
	__u32 uplink; /* ifindex */
	__u32 mtu; /* the uplink's */
	__u32 counter; /* index into dp_traffic */
};

/* How the container was named when the server was added. engine is empty if a network namespace was named. */
struct dp_container_ref {
	char engine[DP_IFNAME_LEN]; /* docker, podman, ... */
	char socket[DP_PATH_LEN]; /* the engine's; empty: its default */
	char name[DP_PATH_LEN];
};

/* All that `dp` knows of a server. Key: its id. */
struct dp_record {
	__u32 state; /* enum dp_server_state */
	__u16 network; /* enum dp_network */
	__u16 trusted; /* 1: its processes may be able to administer the host's network */
	__u64 created_at; /* nanoseconds since 1970-01-01 UTC */
	__u64 netns_cookie; /* of the container's namespace; the kernel uses no cookie twice while the host is up */
	__u64 netns_inode;
	__u32 mtu; /* of both peers, if the server was added with one; 0: the smallest of its forwards */
	__u32 forward_count;
	struct dp_veth_peer host_peer;
	struct dp_veth_peer container_peer;
	struct dp_address_pair addresses[DP_FAMILIES];
	char name[DP_NAME_LEN];
	char group[DP_NAME_LEN];
	char owner[DP_OWNER_LEN]; /* cli, file:NAME or cni:NETWORK */
	char netns[DP_PATH_LEN]; /* the path it was named by */
	struct dp_container_ref container;
	struct dp_record_forward forwards[DP_FORWARDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct dp_record);
} dp_records SEC(".maps");

/*
 * Indexes: the server that has a name or a network namespace, which no two servers
 * may share. One look-up finds a server or a conflict. dp_endpoints is the index of
 * public endpoints. An entry is written before the record and removed after it; if
 * it does not match the record, it is an orphan.
 */
struct dp_name {
	char text[DP_NAME_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct dp_name);
	__type(value, __u32);
} dp_names SEC(".maps");

struct dp_namespace {
	__u64 cookie;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct dp_namespace);
	__type(value, __u32);
} dp_namespaces SEC(".maps");

/* The server that has a counter of dp_traffic. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_COUNTERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} dp_counters SEC(".maps");

enum dp_change_kind {
	/* A command is changing the server. If the lock is free, that command was killed. */
	DP_CHANGE_RUNNING = 0,
	DP_CHANGE_REMOVED =
		1, /* the server was removed: its id is not used again for 2 seconds or more */
};

/* Change notes, by server id. */
struct dp_change {
	__u64 since; /* nanoseconds since 1970-01-01 UTC */
	__u32 kind; /* enum dp_change_kind */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct dp_change);
} dp_changes SEC(".maps");

/* The names of groups by their numbers. A number is the name's hash, or the first free one after it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DP_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct dp_name);
} dp_groups SEC(".maps");

/* Where the search for a free id, address, port or counter begins: all lower ones are taken. */
struct dp_free {
	__u32 id;
	__u32 address; /* position in its subnet */
	__u32 port;
	__u32 counter;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dp_free);
} dp_free SEC(".maps");

/*
 * The ports that `dp` added to net.ipv4.ip_local_reserved_ports, and removes
 * from it again: bit port % 64 of word port / 64.
 */
struct dp_reserved_ports {
	__u64 ports[1024];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dp_reserved_ports);
} dp_reserved SEC(".maps");

/* What `dp load` was told, for the commands after it. */
struct dp_settings {
	__u16 port_first; /* the range `--port auto` takes from, inclusive */
	__u16 port_last;
	__u32 uplink; /* ifindex of the interface with the default public addresses */
	struct dp_addr public_addrs[DP_FAMILIES]; /* of forwards without an address, by family */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dp_settings);
} dp_settings SEC(".maps");
