// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Counts the packets of an interface by their protocol, and lets every one pass. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum protocol {
	PROTOCOL_OTHER,
	PROTOCOL_ARP,
	PROTOCOL_ICMP,
	PROTOCOL_TCP,
	PROTOCOL_UDP,
	PROTOCOL_MAX,
};

struct traffic {
	__u64 packets;
	__u64 bytes;
};

/* One entry for each protocol: an array map's keys are the numbers from 0. */
struct counts {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROTOCOL_MAX);
	__type(key, enum protocol);
	__type(value, struct traffic);
} received SEC(".maps"), sent SEC(".maps");

static __always_inline enum protocol inner(__u8 number)
{
	switch (number) {
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return PROTOCOL_ICMP;
	case IPPROTO_TCP:
		return PROTOCOL_TCP;
	case IPPROTO_UDP:
		return PROTOCOL_UDP;
	default:
		return PROTOCOL_OTHER;
	}
}

static __always_inline enum protocol protocol_of(struct __sk_buff *skb)
{
	__u32 at = ETH_HLEN;
	__u8 number;

	switch (skb->protocol) {
	case bpf_htons(ETH_P_ARP):
		return PROTOCOL_ARP;
	case bpf_htons(ETH_P_IP):
		at += offsetof(struct iphdr, protocol);
		break;
	case bpf_htons(ETH_P_IPV6):
		at += offsetof(struct ipv6hdr, nexthdr);
		break;
	default:
		return PROTOCOL_OTHER;
	}
	return bpf_skb_load_bytes(skb, at, &number, sizeof(number)) ? PROTOCOL_OTHER
								    : inner(number);
}

static __always_inline int count(struct counts *counts, struct __sk_buff *skb)
{
	enum protocol protocol = protocol_of(skb);
	struct traffic *traffic = bpf_map_lookup_elem(counts, &protocol);

	if (traffic) {
		traffic->packets += 1;
		traffic->bytes += skb->len;
	}
	/* What comes after this program decides. */
	return TC_ACT_UNSPEC;
}

SEC("tc")
int count_received(struct __sk_buff *skb)
{
	return count(&received, skb);
}

SEC("tc")
int count_sent(struct __sk_buff *skb)
{
	return count(&sent, skb);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
