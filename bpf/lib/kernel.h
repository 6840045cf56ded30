/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Structs and functions of the running kernel that are not in its UAPI. The
 * structs have only the fields that programs use: CO-RE finds these by name when a
 * program is loaded.
 */
#pragma once

#include <linux/types.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct net {
	__u64 net_cookie;
} __attribute__((preserve_access_index));

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	int ifindex;
	possible_net_t nd_net;
} __attribute__((preserve_access_index));

/* The kernel's struct for a packet. The context of a TC program shows a part of it. */
struct sk_buff {
	struct net_device *dev;
	__u32 priority;
	__u8 ip_summed : 2;
	__u16 csum_start; /* from the buffer's start, as mac_header is */
	__u16 csum_offset;
	__u16 mac_header;
} __attribute__((preserve_access_index));

/* Values of ip_summed. */
#define CHECKSUM_COMPLETE 2
#define CHECKSUM_PARTIAL 3

/*
 * Since Linux 6.2. It lets a TC program read struct sk_buff directly. libbpf
 * before 1.2 cannot check whether a kernel function exists, so the check is for
 * struct tcx_link: kernels with TCX links (6.6) have this function.
 */
extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

struct tcx_link {
};

#define dp_has_kern_ctx() bpf_core_type_exists(struct tcx_link)

struct nf_hook_state {
	struct net_device *in;
} __attribute__((preserve_access_index));

struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
} __attribute__((preserve_access_index));

struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
} __attribute__((preserve_access_index));

struct sock_common {
	volatile unsigned char skc_state;
	unsigned short skc_family;
	__be32 skc_daddr; /* IPv4: the remote address */
	struct in6_addr skc_v6_daddr;
} __attribute__((preserve_access_index));

struct bpf_iter__tcp {
	struct sock_common *sk_common;
} __attribute__((preserve_access_index));

struct udp_sock;

struct bpf_iter__udp {
	struct udp_sock *udp_sk;
} __attribute__((preserve_access_index));

/*
 * Since Linux 6.5. Weak, so that a kernel without it refuses only the two programs
 * that call it, not the whole object. Not for TIME_WAIT and NEW_SYN_RECV sockets:
 * it reads a whole struct sock, and these sockets are smaller.
 */
extern int bpf_sock_destroy(struct sock_common *sk) __ksym __weak;

/* The headers with these constants include the C library, which does not exist for this target. */
#define ENOENT 2
#define AF_INET 2
#define AF_INET6 10
#define CLOCK_MONOTONIC 1 /* the clock of bpf_ktime_get_ns() */
#define PAGE_SIZE 4096
