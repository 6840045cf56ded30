/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Never loaded: compiled for its BTF alone, from which the TypeScript layouts
 * are generated. BTF keeps a type only when a map, a function or a variable
 * has it; the enums below have none, since the maps hold them as plain
 * integers.
 */
#include "flow_maps.h"
#include "maps.h"

enum dp_drop dp_drop;
enum dp_flow_end dp_flow_end;
enum dp_layout dp_layout;
enum dp_server_state dp_server_state;
