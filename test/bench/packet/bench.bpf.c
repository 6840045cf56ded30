// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Programs for the measurement. A test run does not restore the packet between
 * its repeats: `again` restores it and calls the program that is measured.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual BSD/GPL";

/* Ethernet, IPv4 and TCP: all headers that a program writes to. An ARP packet is shorter. */
#define HEADERS 54
#define ARP_HEADERS 42

struct headers {
	__u64 words[HEADERS / 8 + 1];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct headers);
} packet SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} measured SEC(".maps");

SEC("tc")
int again(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	struct headers *headers;
	__u32 zero = 0;

	headers = bpf_map_lookup_elem(&packet, &zero);
	if (!headers)
		return -2;
	if (data + HEADERS <= end)
		__builtin_memcpy(data, headers, HEADERS);
	else if (data + ARP_HEADERS <= end)
		__builtin_memcpy(data, headers, ARP_HEADERS);
	bpf_tail_call(skb, &measured, 0);
	return -2;
}

/* Does nothing: with it the time of `again` is measured. */
SEC("tc")
int nothing(struct __sk_buff *skb __attribute__((unused)))
{
	return -1;
}

/* The least that a program on this path can do. */
SEC("tc")
int redirect(struct __sk_buff *skb __attribute__((unused)))
{
	return bpf_redirect_peer(1, 0);
}
