/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The priority of a packet that dp_snat let through to the host. A container
 * cannot give a packet this priority: a veth pair sets it to 0.
 */
#define DP_PASSED 0x64705f6f
