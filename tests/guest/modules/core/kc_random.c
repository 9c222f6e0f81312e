// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/random.h>
#include <linux/prandom.h>

static int __init kc_init(void)
{
	struct rnd_state state;
	u8 buffer[64] = { 0 };
	int i, zero = 0;

	get_random_bytes(buffer, sizeof(buffer));
	for (i = 0; i < 64; i++)
		zero += !buffer[i];
	pr_info("mostly not zero %d, below %d, inclusive %d\n", zero < 10, get_random_u32_below(10) < 10,
		get_random_u32_inclusive(5, 7) >= 5);
	pr_info("differs %d\n", get_random_u64() != get_random_u64());
	prandom_seed_state(&state, 42);
	pr_info("prandom %08x", prandom_u32_state(&state));
	pr_info("prandom %08x\n", prandom_u32_state(&state));
	prandom_bytes_state(&state, buffer, 7);
	pr_info("bytes %*ph\n", 7, buffer);
	return 0;
}
KC_ONCE(kc_init, "random numbers");
