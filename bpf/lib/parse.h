/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading a packet, once, into one description. Each function reads the next
 * header and checks it against the packet's end; a program calls them in this
 * order, as far as it needs to:
 *
 *   dp_parse_ethernet -> dp_parse_ip -> dp_parse_transport -> dp_parse_quoted
 *
 * They say DP_DROP_NONE, or why a container's packet would be dropped. Pointers
 * into the packet are void after a helper that changes it.
 *
 * Copy a part of the description before a helper is given a pointer to it: then
 * the compiler keeps the rest in registers, and knows the family.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/stddef.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "../maps/drop_reason.h"
#include "addr.h"
#include "icmp.h"

#define DP_VLAN_VID_MASK 0x0fff

/* RFC 791: flags and offset share a word. */
#define DP_IP_MORE_FRAGMENTS bpf_htons(0x2000)
#define DP_IP_OFFSET bpf_htons(0x1fff)

#define DP_MAX_IP_OPTIONS 40

/* Ethernet, IPv4 without options, TCP without options: almost always all that is read. */
#define DP_PLAIN_HEADERS (ETH_HLEN + sizeof(struct iphdr) + sizeof(struct tcphdr))
/* The longest headers that are read: with all IPv4 options. */
#define DP_HEADERS (DP_PLAIN_HEADERS + DP_MAX_IP_OPTIONS)
/* The same with what an ICMP error quotes. */
#define DP_ICMP_HEADERS \
	(DP_HEADERS + sizeof(struct dp_icmp) + sizeof(struct iphdr) + DP_MAX_IP_OPTIONS)

/* Of a TCP or UDP header, which have them at the same place. */
struct dp_ports {
	__be16 source;
	__be16 dest;
};

struct dp_cursor {
	void *at;
	void *end;
};

/* The next `bytes`; NULL where the packet ends before. */
static __always_inline void *dp_take(struct dp_cursor *cursor, __u32 bytes)
{
	void *header = cursor->at;

	if (header + bytes > cursor->end)
		return NULL;
	cursor->at = header + bytes;
	return header;
}

struct dp_packet {
	struct dp_cursor cursor;
	struct ethhdr *eth;

	/* From dp_parse_ip on. */
	struct iphdr *ip;
	struct dp_addr src;
	struct dp_addr dst;
	__u32 l4_off; /* of the header behind IP, from the frame's beginning */
	__u32 l4_len; /* bytes that the IP header says are behind it */
	__u8 family; /* enum dp_family */
	__u8 protocol;
	bool has_options;
	bool is_first_fragment; /* more fragments follow it */
	bool is_later_fragment; /* without ports */

	/*
	 * From dp_parse_transport on. `tcp` tells TCP from UDP: the verifier of
	 * Linux 6.1 does not know what `protocol` says of the header's length.
	 */
	struct dp_ports *l4; /* NULL: neither TCP nor UDP */
	struct tcphdr *tcp; /* NULL: not TCP */
	struct dp_icmp *icmp; /* NULL: not ICMP */
	struct dp_ports ports; /* TCP and UDP */
};

/* What an ICMP error quotes of the packet that it is about. */
struct dp_quoted {
	struct iphdr *ip;
	struct dp_addr src;
	struct dp_addr dst;
	__u8 protocol; /* TCP or UDP */
	struct dp_ports *l4;
	struct dp_ports ports;
	__sum16 *check; /* NULL: the quote ends before it, or a datagram has none */
};

/*
 * Drivers may leave headers in page fragments, out of direct reach. After this
 * call, bytes that are not between data and data_end are not in the packet, as
 * far as the first `bytes` are concerned.
 */
static __always_inline void dp_pull(struct __sk_buff *skb, __u32 bytes)
{
	__u64 linear = (void *)(long)skb->data_end - (void *)(long)skb->data;

	if (linear < bytes && linear < skb->len)
		bpf_skb_pull_data(skb, skb->len < bytes ? skb->len : bytes);
}

/*
 * A pull copies, and packets that this host sends itself have their data in
 * pages: where the headers are in one piece, none is needed.
 */
static __always_inline void dp_pull_headers(struct __sk_buff *skb, __u32 bytes)
{
	void *data = (void *)(long)skb->data;
	struct iphdr *ip = data + ETH_HLEN;

	if (bytes == DP_HEADERS && data + DP_PLAIN_HEADERS <= (void *)(long)skb->data_end &&
	    ip->ihl <= 5)
		return;
	dp_pull(skb, bytes);
}

/* Tagged for a VLAN. A tag with VID 0 is only a priority (IEEE 802.1Q). */
static __always_inline bool dp_is_vlan(const struct __sk_buff *skb)
{
	return skb->vlan_present && (skb->vlan_tci & DP_VLAN_VID_MASK);
}

/* @bytes: DP_HEADERS, or DP_ICMP_HEADERS where dp_parse_quoted follows */
static __always_inline enum dp_drop_reason dp_parse_ethernet(struct __sk_buff *skb,
							     struct dp_packet *packet, __u32 bytes)
{
	dp_pull_headers(skb, bytes);
	packet->cursor.at = (void *)(long)skb->data;
	packet->cursor.end = (void *)(long)skb->data_end;
	packet->eth = dp_take(&packet->cursor, sizeof(*packet->eth));
	return packet->eth ? DP_DROP_NONE : DP_DROP_TRUNCATED;
}

/* tot_len is 0 in a GSO packet over 64 KiB. */
static __always_inline enum dp_drop_reason dp_parse_ipv4(const struct __sk_buff *skb,
							 struct dp_packet *packet)
{
	struct iphdr *ip = dp_take(&packet->cursor, sizeof(*ip));
	__u32 header, total;

	if (!ip)
		return DP_DROP_TRUNCATED;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	/* Returning here: Linux 6.1 would follow a length of 0 through the comparisons below, to no bounds at all. */
	if (total == 0) {
		if (!skb->gso_size)
			return DP_DROP_MALFORMED;
		total = skb->len - ETH_HLEN;
	}
	if (ip->version != 4 || header < sizeof(*ip) || total < header ||
	    total + ETH_HLEN > skb->len)
		return DP_DROP_MALFORMED;

	packet->ip = ip;
	packet->src = dp_addr_v4(ip->saddr);
	packet->dst = dp_addr_v4(ip->daddr);
	packet->l4_off = ETH_HLEN + header;
	packet->l4_len = total - header;
	packet->family = DP_IPV4;
	packet->protocol = ip->protocol;
	packet->has_options = header != sizeof(*ip);
	packet->is_later_fragment = ip->frag_off & DP_IP_OFFSET;
	packet->is_first_fragment =
		ip->frag_off & DP_IP_MORE_FRAGMENTS && !packet->is_later_fragment;
	packet->cursor.at = (void *)ip + header;
	return DP_DROP_NONE;
}

static __always_inline enum dp_drop_reason dp_parse_ip(const struct __sk_buff *skb,
						       struct dp_packet *packet)
{
	/* The kernel's struct is packed: the compiler would read it byte by byte. */
	__be16 type = *(__be16 *)((void *)packet->eth + offsetof(struct ethhdr, h_proto));

	if (type == bpf_htons(ETH_P_IP))
		return dp_parse_ipv4(skb, packet);
	if (type == bpf_htons(ETH_P_IPV6))
		return DP_DROP_IPV6;
	if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD))
		return DP_DROP_VLAN;
	return DP_DROP_NOT_IP;
}

static __always_inline void *dp_take_transport(struct dp_packet *packet, __u32 bytes)
{
	return packet->l4_len < bytes ? NULL : dp_take(&packet->cursor, bytes);
}

/* Not for later fragments, which have no such header. */
static __always_inline enum dp_drop_reason dp_parse_transport(struct dp_packet *packet)
{
	packet->l4 = NULL;
	packet->tcp = NULL;
	packet->icmp = NULL;
	switch (packet->protocol) {
	case IPPROTO_TCP:
		packet->tcp = dp_take_transport(packet, sizeof(*packet->tcp));
		packet->l4 = (void *)packet->tcp;
		break;
	case IPPROTO_UDP:
		packet->l4 = dp_take_transport(packet, sizeof(struct udphdr));
		break;
	case IPPROTO_ICMP:
		packet->icmp = dp_take_transport(packet, sizeof(*packet->icmp));
		return packet->icmp ? DP_DROP_NONE : DP_DROP_TRUNCATED;
	default:
		return DP_DROP_PROTOCOL;
	}
	if (!packet->l4)
		return DP_DROP_TRUNCATED;
	packet->ports = *packet->l4;
	return DP_DROP_NONE;
}

/* Opens a connection: SYN without ACK, whatever other flags come with it (RFC 9293 3.10.7). */
static __always_inline bool dp_is_bare_syn(const struct dp_packet *packet)
{
	return packet->tcp->syn && !packet->tcp->ack;
}

/* Bytes of the TCP header, with options: fewer than it has to have where the header is malformed. */
static __always_inline __u32 dp_tcp_header(const struct dp_packet *packet)
{
	return packet->tcp->doff * 4;
}

/*
 * False unless this ICMP message is an error that quotes the beginning of a TCP
 * segment or a datagram. What is quoted was cut off: its IP length is that of
 * the whole packet.
 */
static __always_inline bool dp_parse_quoted(struct dp_packet *packet, struct dp_quoted *quoted)
{
	__u32 header, check, length = packet->l4_len - sizeof(struct dp_icmp);
	struct dp_cursor *cursor = &packet->cursor;
	struct iphdr *ip;

	if (!dp_icmp_is_error(packet->icmp->type))
		return false;
	ip = dp_take(cursor, sizeof(*ip));
	if (!ip || ip->version != 4 || ip->ihl < 5 || ip->frag_off & DP_IP_OFFSET)
		return false;
	if (ip->protocol == IPPROTO_TCP)
		check = offsetof(struct tcphdr, check);
	else if (ip->protocol == IPPROTO_UDP)
		check = offsetof(struct udphdr, check);
	else
		return false;

	header = ip->ihl * 4;
	cursor->at = (void *)ip + header;
	quoted->l4 = dp_take(cursor, DP_ICMP_QUOTED_L4);
	if (!quoted->l4 || length < header + DP_ICMP_QUOTED_L4)
		return false;
	quoted->check = (void *)quoted->l4 + check;
	if ((void *)(quoted->check + 1) > cursor->end ||
	    length < header + check + sizeof(*quoted->check) ||
	    (ip->protocol == IPPROTO_UDP && !*quoted->check))
		quoted->check = NULL;
	quoted->ip = ip;
	quoted->src = dp_addr_v4(ip->saddr);
	quoted->dst = dp_addr_v4(ip->daddr);
	quoted->protocol = ip->protocol;
	quoted->ports = *quoted->l4;
	return true;
}

/* An unfragmented ICMP error, from the frame's beginning: false for anything else. */
static __always_inline bool dp_parse_icmp_error(struct __sk_buff *skb, struct dp_packet *packet,
						struct dp_quoted *quoted)
{
	return !dp_parse_ethernet(skb, packet, DP_ICMP_HEADERS) && !dp_parse_ip(skb, packet) &&
	       packet->protocol == IPPROTO_ICMP && !packet->is_first_fragment &&
	       !packet->is_later_fragment && !dp_parse_transport(packet) &&
	       dp_parse_quoted(packet, quoted);
}
