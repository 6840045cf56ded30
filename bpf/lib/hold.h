/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * While an upgrade moves flows to maps of another layout, containers open no new
 * flows: one that was opened meanwhile would be known to some programs and not
 * to others. A packet that would open one is left to dp_snat, which drops it on
 * the host's side. (A drop inside the container would be reported to its TCP,
 * which then gives up after 6 seconds instead of 127.) The sender tries again.
 *
 * The loader that asks for it may be killed: it says until when.
 */
#pragma once

#include "../maps/host.h"

static __always_inline bool dp_flows_are_held(const struct dp_config *config)
{
	return config->held_until && bpf_ktime_get_ns() < config->held_until;
}
