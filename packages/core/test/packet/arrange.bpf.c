// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Brings a packet into a state that BPF_PROG_TEST_RUN cannot make, then runs
 * the program under test on it. What to do is in skb->cb; 0 leaves it out.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} under_test SEC(".maps");

/* No verdict of TC has this number: the packet did not get to the program. */
#define NOT_RUN 99

SEC("tc")
int arrange(struct __sk_buff *skb)
{
	__u32 length = skb->cb[0];
	__u32 tag = skb->cb[1];

	/* Test runs refuse an IPv4 frame that ends inside the IPv4 header: cut it here. */
	if (length && bpf_skb_change_tail(skb, length, 0))
		return NOT_RUN;
	/* The first tag goes beside the packet, where devices put the one they take off (skb->vlan_tci). */
	if (tag && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), tag & 0xffff))
		return NOT_RUN;
	skb->cb[0] = 0;
	skb->cb[1] = 0;
	bpf_tail_call(skb, &under_test, 0);
	return NOT_RUN;
}
