/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Why a packet of a container is dropped. */
#pragma once

/* The numbers are part of the layout: append, never renumber. */
enum dp_drop_reason {
	DP_DROP_NONE = 0,
	DP_DROP_UNKNOWN_INTERFACE = 1, /* no server has this host peer */
	DP_DROP_TRUNCATED = 2, /* ends inside a header */
	DP_DROP_MALFORMED = 3, /* header fields that contradict each other */
	DP_DROP_VLAN = 4, /* tagged: containers have no VLANs */
	DP_DROP_ARP = 5, /* ARP other than a request for the gateway's address */
	DP_DROP_IPV6 = 6,
	DP_DROP_NOT_IP = 7, /* any other ethertype */
	DP_DROP_SPOOFED_MAC = 8,
	DP_DROP_SPOOFED_ADDRESS = 9,
	DP_DROP_FRAGMENT = 10,
	DP_DROP_PROTOCOL = 11, /* an IP protocol other than TCP, UDP and ICMP */
	DP_DROP_FORWARD_SYN = 12, /* a connection opened from a forward's container port */
	DP_DROP_DESTINATION =
		13, /* a reply to an address that no player can have: multicast, loopback, ... */
	DP_DROP_EAST_WEST = 14, /* to another container */
	DP_DROP_TCP = 15, /* TCP that was not redirected to the proxy */
	DP_DROP_UDP = 16, /* UDP that was not redirected to the proxy */
	DP_DROP_ICMP = 17,
	DP_DROP_NO_FLOW = 18, /* TCP that continues no known flow */
	DP_DROP_FLOWS = 19, /* the server has as many flows as it may have */
	DP_DROP_IP_OPTIONS = 20, /* to the host with IP options: it could follow a source route */
	DP_DROP_NOT_A_PLAYER = 21, /* a reply to an address that is not a player of this server */
	DP_DROP_BYPASS = 22, /* reached the host's stack without passing dp_snat */
	DP_DROP_HELD = 23, /* would open a flow during an upgrade: the sender tries again */
	DP_DROP_GONE = 24, /* the host peer or the uplink that it would leave by is gone */
	DP_DROP_SEGMENTS = 25, /* longer than the next interface's MTU, or too many in one packet */
	DP_DROP_RATE = 26, /* to the proxy: more connections or datagrams than the budget has */
	DP_DROP_MAX = 32,
};
