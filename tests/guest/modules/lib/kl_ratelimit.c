// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/ratelimit.h>
#include <linux/delay.h>

static DEFINE_RATELIMIT_STATE(own, HZ / 10, 3);

static int __init kc_init(void)
{
	int i, passed = 0;

	for (i = 0; i < 100; i++)
		pr_info_ratelimited("message %d\n", i);
	for (i = 0; i < 10; i++)
		passed += __ratelimit(&own);
	pr_info("own: %d passed\n", passed);
	msleep(300);
	passed = __ratelimit(&own);
	pr_info("later: %d\n", passed);
	return 0;
}
KC_ONCE(kc_init, "rate limits");
