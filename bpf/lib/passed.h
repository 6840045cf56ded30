/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The priority that dp_snat gives a packet that passes to the host. A container
 * cannot set it: a veth pair sets the priority of each packet to 0.
 */
#define DP_PASSED 0x64705f6f
