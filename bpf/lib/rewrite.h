/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Replaces MACs, addresses and ports of a packet, and updates the checksums. */
#pragma once

#include "kernel.h"
#include "parse.h"

/* Which address and port is replaced. */
enum dp_end {
	DP_SOURCE,
	DP_DESTINATION,
};

static __always_inline bool dp_mac_equal(const __u8 *a, const __u8 *b)
{
	const __u16 *x = (const __u16 *)a;
	const __u16 *y = (const __u16 *)b;

	/* Both are aligned to 2 bytes: in an Ethernet header and in map values. */
	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2];
}

/* Folds a sum of 16-bit words into 16 bits. */
static __always_inline __u16 dp_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* The change of a checksum when `old` is replaced by `value` (RFC 1624, equation 3). */
static __always_inline __u32 dp_csum_diff2(__be16 old, __be16 value)
{
	return (__u16)~old + value;
}

static __always_inline __u32 dp_csum_diff4(__be32 old, __be32 value)
{
	return dp_csum_diff2(old, value) + dp_csum_diff2(old >> 16, value >> 16);
}

static __always_inline __u32 dp_csum_diff_ports(struct dp_ports old, struct dp_ports ports)
{
	return dp_csum_diff2(old.source, ports.source) + dp_csum_diff2(old.dest, ports.dest);
}

static __always_inline void dp_csum_add(__sum16 *check, __u32 change)
{
	*check = ~dp_fold((__u16) ~*check + change);
}

static __always_inline void dp_ipv4_set_addr(struct iphdr *ip, enum dp_end end,
					     const struct dp_addr *addr)
{
	__be32 *field = end == DP_SOURCE ? &ip->saddr : &ip->daddr;

	dp_csum_add(&ip->check, dp_csum_diff4(*field, dp_v4(addr)));
	*field = dp_v4(addr);
}

static __always_inline void dp_set_destination_mac(struct dp_packet *packet, const __u8 *mac)
{
	__builtin_memcpy(packet->eth->h_dest, mac, ETH_ALEN);
}

/* Replaces an address of the IP header only: for later fragments and ICMP errors. */
static __always_inline void dp_set_addr(struct dp_packet *packet, enum dp_end end,
					const struct dp_addr *addr)
{
	dp_ipv4_set_addr(packet->ip, end, addr);
}

/* Updates the checksum with the kernel's helper. A UDP checksum of 0 means that there is none, and stays 0. */
static __always_inline void dp_l4_csum_by_helper(struct __sk_buff *skb,
						 const struct dp_packet *packet, __be32 old_addr,
						 __be32 addr, struct dp_ports ports)
{
	__u32 check = packet->l4_off + (packet->tcp ? offsetof(struct tcphdr, check)
						    : offsetof(struct udphdr, check));
	__u64 flags = packet->tcp ? 0 : BPF_F_MARK_MANGLED_0;
	struct dp_ports old = packet->ports;

	bpf_l4_csum_replace(skb, check, old_addr, addr, flags | BPF_F_PSEUDO_HDR | sizeof(addr));
	if (old.source != ports.source)
		bpf_l4_csum_replace(skb, check, old.source, ports.source, flags | sizeof(__be16));
	if (old.dest != ports.dest)
		bpf_l4_csum_replace(skb, check, old.dest, ports.dest, flags | sizeof(__be16));
}

/*
 * With CHECKSUM_PARTIAL the packet has only the sum of the pseudo-header: ports
 * must not be added to it, so the helper is called for each field. Where a program
 * can read ip_summed, it updates TCP without the helper, except with
 * CHECKSUM_COMPLETE: then the helper must update the sum in the sk_buff, too.
 */
static __always_inline void dp_replace_l4_csum(struct __sk_buff *skb, struct dp_packet *packet,
					       __be32 old_addr, __be32 addr, struct dp_ports ports)
{
	struct tcphdr *tcp = packet->tcp;
	struct sk_buff *kernel_skb;
	__u8 summed;

	if (tcp && dp_has_kern_ctx()) {
		kernel_skb = bpf_cast_to_kern_ctx(skb);
		summed = BPF_CORE_READ_BITFIELD(kernel_skb, ip_summed);
		if (summed == CHECKSUM_PARTIAL) {
			tcp->check = dp_fold(tcp->check + dp_csum_diff4(old_addr, addr));
			return;
		}
		if (summed != CHECKSUM_COMPLETE) {
			dp_csum_add(&tcp->check, dp_csum_diff4(old_addr, addr) +
							 dp_csum_diff_ports(packet->ports, ports));
			return;
		}
	}
	dp_l4_csum_by_helper(skb, packet, old_addr, addr, ports);
}

/*
 * Replaces one address, and the ports, of a TCP or UDP packet. All pointers into
 * the packet are invalid after it.
 */
static __always_inline void dp_translate(struct __sk_buff *skb, struct dp_packet *packet,
					 enum dp_end end, const struct dp_addr *addr,
					 struct dp_ports ports)
{
	__be32 old = dp_v4(end == DP_SOURCE ? &packet->src : &packet->dst);

	dp_set_addr(packet, end, addr);
	*packet->l4 = ports;
	dp_replace_l4_csum(skb, packet, old, dp_v4(addr), ports);
}

/*
 * Replaces the source or destination of the packet that an ICMP error quotes. The
 * sum over an IPv4 header with its checksum is constant, so the ICMP checksum does
 * not change with the quoted address.
 */
static __always_inline void dp_translate_quoted(struct dp_packet *packet, struct dp_quoted *quoted,
						enum dp_end end, const struct dp_addr *addr,
						__be16 port)
{
	bool source = end == DP_SOURCE;
	__be32 old_addr = dp_v4(source ? &quoted->src : &quoted->dst);
	__be16 *port_field = source ? &quoted->l4->source : &quoted->l4->dest;
	__be16 old_port = source ? quoted->ports.source : quoted->ports.dest;
	__u32 change = dp_csum_diff2(old_port, port);
	__sum16 old_check;

	dp_ipv4_set_addr(quoted->ip, end, addr);
	*port_field = port;
	dp_csum_add(&packet->icmp->check, change);
	if (!quoted->check)
		return;
	old_check = *quoted->check;
	dp_csum_add(quoted->check, dp_csum_diff4(old_addr, dp_v4(addr)) + change);
	/* In UDP, 0 means that there is no checksum (RFC 768). */
	if (quoted->protocol == IPPROTO_UDP && !*quoted->check)
		*quoted->check = 0xffff;
	dp_csum_add(&packet->icmp->check, dp_csum_diff2(old_check, *quoted->check));
}

/*
 * False when the kernel or the device would write the checksum to another place
 * than `check` bytes into the transport header. With CHECKSUM_PARTIAL the sk_buff
 * says where it is written, after all programs, and a packet socket chooses that
 * place (PACKET_VNET_HDR): so a container could replace any two bytes.
 */
static __always_inline bool dp_csum_is_sound(struct __sk_buff *ctx, const struct dp_packet *packet,
					     __u16 check)
{
	struct sk_buff *skb = (void *)ctx;
	__u16 start, offset, mac;

	if (dp_has_kern_ctx()) {
		skb = bpf_cast_to_kern_ctx(ctx);
		return BPF_CORE_READ_BITFIELD(skb, ip_summed) != CHECKSUM_PARTIAL ||
		       (skb->csum_start == (__u16)(skb->mac_header + packet->l4_off) &&
			skb->csum_offset == check);
	}
	/* The same with probe reads, which cost more. */
	if (BPF_CORE_READ_BITFIELD_PROBED(skb, ip_summed) != CHECKSUM_PARTIAL)
		return true;
	if (bpf_core_read(&start, sizeof(start), &skb->csum_start) ||
	    bpf_core_read(&offset, sizeof(offset), &skb->csum_offset) ||
	    bpf_core_read(&mac, sizeof(mac), &skb->mac_header))
		return false;
	return start == (__u16)(mac + packet->l4_off) && offset == check;
}
