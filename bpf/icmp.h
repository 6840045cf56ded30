/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors: messages about a packet, which quote its beginning. Whoever
 * translates that packet has to translate what is quoted of it, or the sender
 * does not know it again and path-MTU discovery fails in silence.
 */
#pragma once

#include "packet.h"

/* RFC 792. Not redirects: no router on the way may tell a container where to send. */
#define DP_ICMP_UNREACHABLE 3 /* also: fragmentation needed */
#define DP_ICMP_TIME_EXCEEDED 11
#define DP_ICMP_PARAMETER_PROBLEM 12

/* What every error quotes of a TCP segment or a datagram at least: 8 bytes (RFC 792). */
struct dp_quoted {
	__be16 source;
	__be16 dest;
	__be32 rest; /* TCP's sequence number, UDP's length and checksum */
};

struct dp_icmp_error {
	struct iphdr *ip;
	struct dp_icmp *icmp;
	struct iphdr *quoted;
	struct dp_quoted *l4;
	__sum16 *l4_check; /* NULL: it is not quoted that far, or a datagram has none */
};

/* The longest headers that are read: as DP_HEADERS, and what is quoted. */
#define DP_ICMP_HEADERS (DP_HEADERS + sizeof(struct dp_icmp) + 60)

static __always_inline bool dp_icmp_is_error(__u8 type)
{
	return type == DP_ICMP_UNREACHABLE || type == DP_ICMP_TIME_EXCEEDED ||
	       type == DP_ICMP_PARAMETER_PROBLEM;
}

/*
 * False unless this is an unfragmented ICMP error that quotes the beginning of
 * a TCP segment, or with `udp` of a datagram. Earlier packet pointers are void
 * after it.
 */
static __always_inline bool dp_icmp_error_parse(struct __sk_buff *skb, struct dp_icmp_error *error,
						bool udp)
{
	struct iphdr *ip, *quoted;
	__u32 length, known, check;
	struct dp_icmp *icmp;
	void *data, *end;

	dp_pull(skb, DP_ICMP_HEADERS);
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;

	ip = data + ETH_HLEN;
	if ((void *)(ip + 1) > end || !dp_ipv4_is_sound(skb, ip, sizeof(*icmp)))
		return false;
	if (ip->protocol != IPPROTO_ICMP || ip->frag_off & (DP_IP_OFFSET | DP_IP_MORE_FRAGMENTS))
		return false;

	icmp = (void *)ip + dp_ipv4_header_len(ip);
	quoted = (void *)(icmp + 1);
	if ((void *)(quoted + 1) > end || !dp_icmp_is_error(icmp->type))
		return false;
	/* Its length is that of the whole packet, of which the rest was cut off. */
	if (quoted->version != 4 || quoted->ihl < 5 || quoted->frag_off & DP_IP_OFFSET)
		return false;
	if (quoted->protocol == IPPROTO_TCP)
		check = offsetof(struct tcphdr, check);
	else if (udp && quoted->protocol == IPPROTO_UDP)
		check = offsetof(struct udphdr, check);
	else
		return false;

	length = bpf_ntohs(ip->tot_len);
	known = dp_ipv4_header_len(ip) + sizeof(*icmp) + dp_ipv4_header_len(quoted);
	error->l4 = (void *)quoted + dp_ipv4_header_len(quoted);
	if ((void *)(error->l4 + 1) > end || length < known + sizeof(*error->l4))
		return false;

	error->l4_check = (void *)error->l4 + check;
	if ((void *)(error->l4_check + 1) > end || length < known + check + sizeof(__sum16) ||
	    (udp && quoted->protocol == IPPROTO_UDP && !*error->l4_check))
		error->l4_check = NULL;
	error->ip = ip;
	error->icmp = icmp;
	error->quoted = quoted;
	return true;
}

/*
 * Replaces one end of what is quoted, with all checksums. An IPv4 header
 * sums up to the same before and after, so ICMP's checksum does not notice.
 */
static __always_inline void dp_icmp_set_quoted(struct dp_icmp_error *error, __be32 *addr_field,
					       __be32 addr, __be16 *port_field, __be16 port)
{
	__be32 old_addr = *addr_field;
	__be16 old_port = *port_field;
	__sum16 old_check;

	dp_ipv4_set_addr(error->quoted, addr_field, addr);
	*port_field = port;
	dp_csum_replace2(&error->icmp->check, old_port, port);
	if (!error->l4_check)
		return;
	old_check = *error->l4_check;
	dp_csum_replace4(error->l4_check, old_addr, addr);
	dp_csum_replace2(error->l4_check, old_port, port);
	/* Of a datagram 0 means none (RFC 768). */
	if (error->quoted->protocol == IPPROTO_UDP && !*error->l4_check)
		*error->l4_check = 0xffff;
	dp_csum_replace2(&error->icmp->check, old_check, *error->l4_check);
}
