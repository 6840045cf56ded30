/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading and rewriting packets in place. Every reader checks its bounds
 * against the packet's end and says NULL or false when it does not fit.
 */
#pragma once

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/stddef.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define DP_VLAN_VID_MASK 0x0fff

/*
 * RFC 792. <linux/icmp.h> has the same, but pulls in the C library, of which
 * there is none for this target.
 */
struct dp_icmp {
	__u8 type;
	__u8 code;
	__sum16 check;
	__be32 rest;
};

#define DP_ICMP_ECHO 8

/* RFC 791: flags and offset share a word. */
#define DP_IP_MORE_FRAGMENTS bpf_htons(0x2000)
#define DP_IP_OFFSET bpf_htons(0x1fff)

/* The longest headers a program reads: Ethernet, IPv4 with all options, TCP without. */
#define DP_HEADERS (ETH_HLEN + 60 + sizeof(struct tcphdr))
/* The same without IPv4 options, as almost always. */
#define DP_PLAIN_HEADERS (ETH_HLEN + sizeof(struct iphdr) + sizeof(struct tcphdr))

/*
 * Drivers may leave headers in page fragments, out of direct reach. After this
 * what is not between data and data_end, of the first `bytes`, is not in the
 * packet.
 */
static __always_inline void dp_pull(struct __sk_buff *skb, __u32 bytes)
{
	__u64 linear = (void *)(long)skb->data_end - (void *)(long)skb->data;

	if (linear < bytes && linear < skb->len)
		bpf_skb_pull_data(skb, skb->len < bytes ? skb->len : bytes);
}

/*
 * A pull copies, and what this machine sends itself has its data in pages: where
 * the headers are in one piece there is no need of it.
 */
static __always_inline void dp_pull_headers(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	struct iphdr *ip = data + ETH_HLEN;

	if (data + DP_PLAIN_HEADERS <= (void *)(long)skb->data_end && ip->ihl <= 5)
		return;
	dp_pull(skb, DP_HEADERS);
}

/* Tagged for a VLAN. A tag with VID 0 carries only a priority (IEEE 802.1Q) and makes none. */
static __always_inline bool dp_is_vlan(const struct __sk_buff *skb)
{
	return skb->vlan_present && (skb->vlan_tci & DP_VLAN_VID_MASK);
}

/* Bytes of the IPv4 header, options included; only of a header dp_ipv4_is_sound() approved. */
static __always_inline __u32 dp_ipv4_header_len(const struct iphdr *ip)
{
	return ip->ihl * 4;
}

/*
 * Whether the IPv4 header's own lengths agree with each other and with the
 * packet, and leave room for `l4_len` bytes. tot_len is 0 in a GSO packet over
 * 64 KiB.
 */
static __always_inline bool dp_ipv4_is_sound(const struct __sk_buff *skb, const struct iphdr *ip,
					     __u32 l4_len)
{
	__u32 total = bpf_ntohs(ip->tot_len);

	if (ip->version != 4 || ip->ihl < 5)
		return false;
	if (total == 0 && skb->gso_size)
		return true;
	return total >= dp_ipv4_header_len(ip) + l4_len && total + ETH_HLEN <= skb->len;
}

static __always_inline bool dp_mac_equal(const __u8 *a, const __u8 *b)
{
	const __u16 *x = (const __u16 *)a;
	const __u16 *y = (const __u16 *)b;

	/* Both are 2-aligned: an Ethernet header's, and a map value's. */
	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2];
}

/* Opens a connection: SYN without ACK, whatever other flags come with it (RFC 9293 3.10.7). */
static __always_inline bool dp_is_bare_syn(const struct tcphdr *tcp)
{
	return tcp->syn && !tcp->ack;
}

/* A sum of 16-bit words, brought back into 16 bits. */
static __always_inline __u16 dp_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* What a sum changes by when what it covers is replaced (RFC 1624, equation 3). */
static __always_inline __u32 dp_change2(__be16 old, __be16 value)
{
	return (__u16)~old + value;
}

static __always_inline __u32 dp_change4(__be32 old, __be32 value)
{
	return dp_change2(old, value) + dp_change2(old >> 16, value >> 16);
}

static __always_inline void dp_csum_replace2(__sum16 *check, __be16 old, __be16 value)
{
	*check = ~dp_fold((__u16) ~*check + dp_change2(old, value));
}

static __always_inline void dp_csum_replace4(__sum16 *check, __be32 old, __be32 value)
{
	*check = ~dp_fold((__u16) ~*check + dp_change4(old, value));
}

/* Replaces an address of the IPv4 header and updates its checksum. */
static __always_inline void dp_ipv4_set_addr(struct iphdr *ip, __be32 *field, __be32 addr)
{
	dp_csum_replace4(&ip->check, *field, addr);
	*field = addr;
}

/* The kernel's own packet, of which a program's context shows a part. */
struct sk_buff {
	__u8 ip_summed : 2;
	__u16 csum_start; /* from the buffer's start, as mac_header is */
	__u16 csum_offset;
	__u16 mac_header;
} __attribute__((preserve_access_index));

#define CHECKSUM_COMPLETE 2
#define CHECKSUM_PARTIAL 3

/* Linux 6.2. There is no asking for it without a newer libbpf; whoever has TCX links (6.6) has it. */
extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

struct tcx_link {
};

/* Of a TCP or UDP header, which has them at the same place. */
struct dp_ports {
	__be16 source;
	__be16 dest;
};

static __always_inline void dp_csum_replace_port(struct __sk_buff *ctx, __u32 check, __u64 flags,
						 __be16 old, __be16 port)
{
	if (old != port)
		bpf_l4_csum_replace(ctx, check, old, port, flags | sizeof(port));
}

/*
 * Brings the TCP checksum up to date after an address and ports were replaced.
 * Calls for each, not one sum: of a packet whose checksum the device has yet to
 * fill in (CHECKSUM_PARTIAL), only the pseudo-header's part is there. Where the
 * kernel lets a program see which it is, it needs none, unless the sum of the
 * packet's bytes is kept beside it, too. Packet pointers are void after it.
 */
static __always_inline void dp_tcp_csum(struct __sk_buff *ctx, struct tcphdr *tcp, __u32 l4_off,
					__be32 old_addr, __be32 addr, struct dp_ports old,
					struct dp_ports ports)
{
	__u32 check = l4_off + offsetof(struct tcphdr, check);

	if (bpf_core_type_exists(struct tcx_link)) {
		struct sk_buff *skb = bpf_cast_to_kern_ctx(ctx);
		__u8 summed = BPF_CORE_READ_BITFIELD(skb, ip_summed);

		if (summed == CHECKSUM_PARTIAL) {
			tcp->check = dp_fold(tcp->check + dp_change4(old_addr, addr));
			return;
		}
		if (summed != CHECKSUM_COMPLETE) {
			tcp->check = ~dp_fold((__u16)~tcp->check + dp_change4(old_addr, addr) +
					      dp_change2(old.source, ports.source) +
					      dp_change2(old.dest, ports.dest));
			return;
		}
	}
	bpf_l4_csum_replace(ctx, check, old_addr, addr, BPF_F_PSEUDO_HDR | sizeof(addr));
	dp_csum_replace_port(ctx, check, 0, old.source, ports.source);
	dp_csum_replace_port(ctx, check, 0, old.dest, ports.dest);
}

/*
 * False when what is yet to be written as the checksum, `check` bytes behind
 * `l4_off`, would be written somewhere else. A packet socket may say so of what
 * it sends (PACKET_VNET_HDR), and by it replace any two bytes of the headers
 * with ones of its choice: after all programs, when the packet leaves.
 */
static __always_inline bool dp_csum_is_sound(struct __sk_buff *ctx, __u32 l4_off, __u16 check)
{
	struct sk_buff *skb = (void *)ctx;
	__u16 start, offset, mac;

	if (bpf_core_type_exists(struct tcx_link)) {
		skb = bpf_cast_to_kern_ctx(ctx);
		return BPF_CORE_READ_BITFIELD(skb, ip_summed) != CHECKSUM_PARTIAL ||
		       (skb->csum_start == (__u16)(skb->mac_header + l4_off) &&
			skb->csum_offset == check);
	}
	/* The same, dearer. */
	if (BPF_CORE_READ_BITFIELD_PROBED(skb, ip_summed) != CHECKSUM_PARTIAL)
		return true;
	if (bpf_core_read(&start, sizeof(start), &skb->csum_start) ||
	    bpf_core_read(&offset, sizeof(offset), &skb->csum_offset) ||
	    bpf_core_read(&mac, sizeof(mac), &skb->mac_header))
		return false;
	return start == (__u16)(mac + l4_off) && offset == check;
}
