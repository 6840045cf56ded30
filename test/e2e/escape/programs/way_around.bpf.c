// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a container could attach to its own interfaces. IFINDEX: its eth0. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual BSD/GPL";

/* Ahead of the redirect to the proxy: no other program on the hook runs. */
SEC("tc")
int have_done(struct __sk_buff *skb __attribute__((unused)))
{
	return TC_ACT_OK;
}

/* From another interface's ingress straight into eth0's other end, which is the host's. */
SEC("tc")
int to_peer(struct __sk_buff *skb __attribute__((unused)))
{
	return bpf_redirect_peer(IFINDEX, 0);
}

/* A packet says that the host has approved it, in all ways a program can write. */
SEC("tc")
int marked_to_peer(struct __sk_buff *ctx)
{
	volatile struct __sk_buff *skb = ctx; /* one write each, as the verifier wants it */

	skb->mark = 0xffffffff;
	skb->priority = 0xffffffff;
	skb->tc_index = 0xffff;
	skb->queue_mapping = 1;
	for (int i = 0; i < 5; i++)
		skb->cb[i] = 0xffffffff;
	bpf_skb_change_type(ctx, 0);
	return bpf_redirect_peer(IFINDEX, 0);
}

/* Past the queue of eth0. */
SEC("xdp")
int out_of_eth0(struct xdp_md *ctx __attribute__((unused)))
{
	return bpf_redirect(IFINDEX, 0);
}
