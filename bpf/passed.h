/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The priority of a packet that dp_snat let through to the host. Nobody inside
 * a container can give it one: a veth pair sets it to 0.
 */
#define DP_PASSED 0x64705f6f
