/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Never loaded: compiled for its BTF alone, from which the TypeScript layouts
 * are generated. BTF keeps a type only when a map, a function or a variable
 * has it; the enums below are of this function's alone, since the maps hold
 * them as plain integers.
 */
#include "flow_maps.h"
#include "maps.h"

int dp_enums(enum dp_drop drop, enum dp_flow_end flow_end, enum dp_layout layout,
	     enum dp_server_state server_state)
{
	return drop + flow_end + layout + server_state;
}
