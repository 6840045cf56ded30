// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Tells of every connection the processes of a cgroup make, and refuses those to some ports. */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define REFUSE 0
#define ALLOW 1

/* What user space reads from the ring buffer. */
struct connection {
	__u32 pid;
	__be16 port;
	bool refused;
	struct in6_addr address;
	char command[16];
};
/* No map and no function has it: this keeps it in the BTF. */
struct connection *unused_connection __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} connections SEC(".maps");

/* How many were refused, by port. Ports that are not in it are allowed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __be16);
	__type(value, __u64);
} refused_ports SEC(".maps");

/* Also those that are allowed. Set before the object is loaded. */
const volatile bool tell_all = true;

/* Connections that the ring buffer had no room for. */
__u64 lost;

static __always_inline int decide(struct bpf_sock_addr *ctx, const struct in6_addr *address)
{
	__be16 port = ctx->user_port;
	__u64 *refusals = bpf_map_lookup_elem(&refused_ports, &port);
	struct connection *connection;

	if (refusals)
		__sync_fetch_and_add(refusals, 1);
	if (refusals || tell_all) {
		connection = bpf_ringbuf_reserve(&connections, sizeof(*connection), 0);
		if (connection) {
			connection->pid = bpf_get_current_pid_tgid() >> 32;
			connection->port = port;
			connection->refused = refusals;
			connection->address = *address;
			bpf_get_current_comm(connection->command, sizeof(connection->command));
			bpf_ringbuf_submit(connection, 0);
		} else {
			__sync_fetch_and_add(&lost, 1);
		}
	}
	return refusals ? REFUSE : ALLOW;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	/* As IPv6 writes it: ::ffff:10.0.0.1 */
	struct in6_addr address = {
		.in6_u.u6_addr32 = { 0, 0, bpf_htonl(0xffff), ctx->user_ip4 },
	};

	return decide(ctx, &address);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	struct in6_addr address = {
		.in6_u.u6_addr32 = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
				     ctx->user_ip6[3] },
	};

	return decide(ctx, &address);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
