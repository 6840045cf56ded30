/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * While an upgrade moves flows to maps of another layout, containers cannot open
 * flows: a new flow would be in the old or in the new maps only, and some programs
 * use the old maps, some the new ones. dp_snat drops packets that would open a
 * flow, and the sender tries again. A drop inside the container would be reported
 * to its TCP, which then gives up after 6 seconds instead of 127.
 *
 * The loader sets the end of the hold in advance, because it may be killed.
 */
#pragma once

#include "../maps/host.h"

static __always_inline bool dp_flows_are_held(const struct dp_config *config)
{
	return config->held_until && bpf_ktime_get_ns() < config->held_until;
}
