// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* No program: makes the maps that only `dp` reads and writes. */
#include "maps/control.h"

char _license[] SEC("license") = "Dual BSD/GPL";
