// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The least a program on this path can do: what the others are measured against. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int baseline(struct __sk_buff *skb)
{
	return bpf_redirect_peer(1, 0);
}
