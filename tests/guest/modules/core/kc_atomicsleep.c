// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/interrupt.h>
#include <linux/delay.h>

static int __init kc_init(void)
{
	local_bh_disable();
	msleep(10);
	pr_info("came back with count %x\n", preempt_count());
	return 0;
}
KC_ONCE(kc_init, "sleeping where one must not");
