/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Why a packet of a container was dropped. The numbers are part of a map's
 * layout: append, never renumber.
 */
enum dp_drop {
	DP_DROP_NONE = 0,
	DP_DROP_UNKNOWN_INTERFACE = 1, /* no server has this host peer (yet, or any more) */
	DP_DROP_TRUNCATED = 2, /* ends inside a header it announced */
	DP_DROP_MALFORMED = 3, /* header fields that contradict each other */
	DP_DROP_VLAN = 4, /* tagged: containers have no VLANs */
	DP_DROP_ARP = 5, /* ARP that is not a request for the gateway's address */
	DP_DROP_IPV6 = 6,
	DP_DROP_NOT_IP = 7, /* any other ethertype */
	DP_DROP_SPOOFED_MAC = 8,
	DP_DROP_SPOOFED_ADDRESS = 9,
	DP_DROP_FRAGMENT = 10,
	DP_DROP_PROTOCOL = 11, /* an IP protocol other than TCP, UDP and ICMP */
	DP_DROP_GAME_PORT_SYN = 12, /* a connection opened from the game port */
	DP_DROP_DESTINATION = 13, /* a reply to what can be no player: multicast, loopback, ... */
	DP_DROP_EAST_WEST = 14, /* to another container */
	DP_DROP_TCP = 15, /* TCP that went around the proxy */
	DP_DROP_UDP = 16, /* UDP that went around the proxy */
	DP_DROP_ICMP = 17,
	DP_DROP_NO_FLOW = 18, /* TCP that continues a connection nobody opened */
	DP_DROP_FLOWS = 19, /* more connections at once than one container may have */
	DP_DROP_IP_OPTIONS = 20, /* IP options to the host: source routes lead it astray */
	DP_DROP_NOT_A_PLAYER = 21, /* a reply to an address that sent this server nothing */
	DP_DROP_AROUND = 22, /* to the host, past the programs on the host peer */
	DP_DROP_HELD = 23, /* a connection opened while an upgrade moves flows: tried again */
	DP_DROP_GONE = 24, /* to a container, or by an uplink, whose interface is gone */
	DP_DROP_MAX = 32,
};
