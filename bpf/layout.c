/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Never loaded: compiled for its BTF alone, from which the TypeScript layouts
 * are generated. BTF has a type only when a map, a function or a variable uses
 * it. Maps store enums as integers, so the functions below use the enums.
 */
#include "maps/proxy_budgets.h"
#include "maps/control.h"
#include "maps/drops.h"
#include "maps/endpoints.h"
#include "maps/flows.h"
#include "maps/fragments.h"
#include "maps/host.h"
#include "maps/interfaces.h"
#include "maps/players.h"
#include "maps/servers.h"
#include "maps/traffic.h"

int dp_program_enums(enum dp_drop_reason drop, enum dp_family family, enum dp_flow_end flow_end)
{
	return drop + family + flow_end;
}

int dp_control_enums(enum dp_change_kind change, enum dp_layout layout, enum dp_network network,
		     enum dp_server_state server_state)
{
	return change + layout + network + server_state;
}
