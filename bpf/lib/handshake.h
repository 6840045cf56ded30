/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How an address becomes a player: by a handshake, which no forged source can
 * complete, because the number that its last segment acknowledges was sent to
 * the true owner of the address.
 *
 *   SYN from an address that is no player      opens a handshake
 *   SYN+ACK without data from the container    notes its number, plus one; at most
 *   port, within 75 s                          8 for each SYN
 *   RST without data from the container port,  ends the handshake
 *   or ICMP error that quotes the SYN, within
 *   75 s: one for each SYN
 *   ACK of exactly the noted number, within    makes the sender a player
 *   135 s of the SYN (a late SYN+ACK, and
 *   60 s for the answer)
 *
 * A handshake is known by a hash of player, player's port and container port. It
 * is in one of the places of its set; a new one takes the place of the oldest.
 * So a flood of SYNs at a server can cost that server's own new players a
 * handshake: what they send then is left to the host, which resets it, and they
 * try again. Players are not touched, nor are other servers.
 *
 * A slot is one number, written at once: processors race for it.
 *
 *   bits  0..31  the number that the ACK must acknowledge
 *        32..47  when the SYN came, in units of 2^27 ns (134 ms), modulo 2.4 h
 *        48..51  how many SYN+ACKs may follow; 8: none was seen yet
 *        52..63  a part of the hash; never 0, so that an unused slot matches none
 */
#pragma once

#include "parse.h"
#include "players.h"

#define DP_HANDSHAKE_ANSWERS 8

/* Of an ICMP error that refuses a SYN: it quotes an IP and a TCP header with all their options, and no data. */
#define DP_REFUSAL_BYTES (sizeof(struct dp_icmp) + 60 + 60)

#define DP_HANDSHAKE_UNIT_BITS 27
#define DP_HANDSHAKE_UNITS(seconds) ((seconds)*1000000000ULL >> DP_HANDSHAKE_UNIT_BITS)

/* How long after the SYN the container may answer it, and the player acknowledge that. */
const volatile __u16 dp_answer_units = DP_HANDSHAKE_UNITS(75);
const volatile __u16 dp_handshake_units = DP_HANDSHAKE_UNITS(135);

/* Numbers of a segment, in the host's byte order. Copied: the packet's description stays in registers. */
struct dp_segment {
	struct dp_addr player;
	__u32 server;
	__u32 number; /* from a player: what it acknowledges; from the container: its sequence number */
	__u32 ports; /* the player's and the container's, as they are in the packet */
	__u32 syn : 1;
	__u32 ack : 1;
	__u32 fin : 1;
	__u32 rst : 1;
	__u32 has_data : 1;
};

static __always_inline __u64 dp_handshake_slot(__u32 number, __u16 at, __u64 left, __u16 tag)
{
	return number | (__u64)at << 32 | left << 48 | (__u64)tag << 52;
}

static __always_inline __u64 dp_handshake_left(__u64 slot)
{
	return slot >> 48 & 0xf;
}

static __always_inline __u16 dp_handshake_age(__u64 slot, __u16 now)
{
	return now - (__u16)(slot >> 32);
}

static __always_inline __u16 dp_handshake_now(void)
{
	return bpf_ktime_get_ns() >> DP_HANDSHAKE_UNIT_BITS;
}

static __always_inline __u16 dp_handshake_tag(__u64 hash)
{
	__u16 tag = hash >> 20 & 0xfff;

	return tag ?: 1;
}

static __always_inline volatile __u64 *dp_handshake_set(struct dp_player_slots *slots, __u64 hash)
{
	return &slots->handshakes[dp_place_of(hash, DP_HANDSHAKE_SETS) * DP_HANDSHAKE_PLACES];
}

/* The place of a handshake that is not older than that; NULL when there is none. */
static __always_inline volatile __u64 *dp_handshake_find(volatile __u64 *set, __u64 hash, __u16 now,
							 __u16 oldest)
{
	__u16 tag = dp_handshake_tag(hash);

#pragma clang loop unroll(full)
	for (int i = 0; i < DP_HANDSHAKE_PLACES; i++) {
		__u64 slot = set[i];

		if (slot >> 52 == tag && dp_handshake_age(slot, now) <= oldest)
			return &set[i];
	}
	return NULL;
}

/* A SYN. One that is sent again may find the answer to the first on its way: its number stays noted. */
static __always_inline void dp_handshake_open(volatile __u64 *set, __u64 hash, __u16 now)
{
	volatile __u64 *known = dp_handshake_find(set, hash, now, dp_handshake_units);
	__u64 left = DP_HANDSHAKE_ANSWERS;
	__u32 number = 0, at = 0;
	__u16 oldest = 0;

	if (known && dp_handshake_left(*known) != DP_HANDSHAKE_ANSWERS) {
		number = *known;
		left--;
	}
	if (!known) {
#pragma clang loop unroll(full)
		for (int i = 0; i < DP_HANDSHAKE_PLACES; i++) {
			__u64 slot = set[i];
			__u16 age = slot ? dp_handshake_age(slot, now) : 0xffff;

			if (age >= oldest) {
				oldest = age;
				at = i;
			}
		}
		/* The verifier would not know the bound of what the compiler makes of the choice. */
		barrier_var(at);
		known = &set[at % DP_HANDSHAKE_PLACES];
	}
	*known = dp_handshake_slot(number, now, left, dp_handshake_tag(hash));
}

/*
 * A segment from `segment->player` for a forward's container port: whether the
 * container gets it. RST and SYN make no player, and keep none.
 */
static __noinline bool dp_is_admitted(const struct dp_segment *segment)
{
	struct dp_player_slots *slots = dp_player_slots_of(segment->server);
	struct dp_config *config = dp_config_entry();
	__u32 now = dp_player_now();
	volatile __u64 *set, *known;
	__u64 hash, handshake;
	bool is_player;
	__u16 units;
	__u32 *slot;

	if (!slots || !config)
		return false;
	slot = dp_player_slot(slots, config, segment->server, &segment->player);
	is_player = dp_is_player_slot(config, *slot, now);
	if (is_player && !segment->syn && !segment->rst)
		*slot = now;
	if (is_player)
		return true;

	hash = dp_player_hash(config, segment->server, &segment->player, segment->ports);
	set = dp_handshake_set(slots, hash);
	units = dp_handshake_now();
	if (segment->syn && !segment->ack && !segment->rst) {
		dp_handshake_open(set, hash, units);
		return true;
	}
	known = dp_handshake_find(set, hash, units, dp_handshake_units);
	if (!known)
		return false;
	/* The other end gave up. */
	if (segment->rst)
		return true;
	handshake = *known;
	if (segment->syn || !segment->ack || (__u32)handshake != segment->number ||
	    dp_handshake_left(handshake) == DP_HANDSHAKE_ANSWERS)
		return false;
	*slot = now;
	return true;
}

/* A segment from a forward's container port to an address that is no player: whether it answers a SYN. */
static __noinline bool dp_is_answer(const struct dp_segment *segment)
{
	struct dp_player_slots *slots = dp_player_slots_of(segment->server);
	struct dp_config *config = dp_config_entry();
	__u64 hash, handshake, left, answered;
	volatile __u64 *known;
	__u16 now;

	if (!slots || !config || segment->has_data || segment->fin || segment->rst == segment->syn)
		return false;
	hash = dp_player_hash(config, segment->server, &segment->player, segment->ports);
	now = dp_handshake_now();
	known = dp_handshake_find(dp_handshake_set(slots, hash), hash, now, dp_answer_units);
	if (!known)
		return false;
	handshake = *known;
	left = dp_handshake_left(handshake);
	if (!left)
		return false;
	answered = segment->rst ? 0
				: dp_handshake_slot(segment->number + 1, handshake >> 32, left - 1,
						    dp_handshake_tag(hash));
	return __sync_val_compare_and_swap(known, handshake, answered) == handshake;
}

static __always_inline struct dp_segment dp_segment_of(__u32 server, const struct dp_packet *packet,
						       const struct dp_addr *player)
{
	return (struct dp_segment){
		.player = *player,
		.server = server,
		.syn = packet->tcp->syn,
		.ack = packet->tcp->ack,
		.fin = packet->tcp->fin,
		.rst = packet->tcp->rst,
		.has_data = packet->l4_len != dp_tcp_header(packet),
	};
}

/*
 * Whether the container gets a segment from a player or for a handshake; for
 * players almost always by one comparison.
 *
 * @port: the container port
 */
static __always_inline bool dp_admit(const struct dp_config *config, __u32 server,
				     const struct dp_packet *packet, __be16 port)
{
	struct dp_player_slots *slots = dp_player_slots_of(server);
	struct dp_segment segment;

	if (!slots)
		return false;
	if (*dp_player_slot(slots, config, server, &packet->src) == dp_player_now())
		return true;
	segment = dp_segment_of(server, packet, &packet->src);
	segment.number = bpf_ntohl(packet->tcp->ack_seq);
	segment.ports = packet->ports.source | (__u32)port << 16;
	return dp_is_admitted(&segment);
}

/* Whether a container may send a segment from a forward's container port to the packet's destination. */
static __always_inline bool dp_may_answer(const struct dp_config *config, __u32 server,
					  const struct dp_packet *packet)
{
	struct dp_segment segment;

	if (dp_is_player(config, server, &packet->dst))
		return true;
	segment = dp_segment_of(server, packet, &packet->dst);
	segment.number = bpf_ntohl(packet->tcp->seq);
	segment.ports = packet->ports.dest | (__u32)packet->ports.source << 16;
	return dp_is_answer(&segment);
}

/* Whether a container may send this ICMP error, which quotes a segment to the container port of a forward. */
static __always_inline bool dp_may_refuse(const struct dp_config *config, __u32 server,
					  const struct dp_packet *packet,
					  const struct dp_quoted *quoted)
{
	struct dp_segment segment;

	if (dp_is_player(config, server, &packet->dst))
		return true;
	if (packet->l4_len > DP_REFUSAL_BYTES)
		return false;
	segment = (struct dp_segment){
		.player = packet->dst,
		.server = server,
		.ports = quoted->ports.source | (__u32)quoted->ports.dest << 16,
		.rst = 1,
	};
	return dp_is_answer(&segment);
}
