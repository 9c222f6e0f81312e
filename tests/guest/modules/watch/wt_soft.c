// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Keeps the CPU for a number of seconds.
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/jiffies.h>
#include <linux/module.h>

static int seconds = 1;
module_param(seconds, int, 0);

static noinline void wt_spin(unsigned long until)
{
	while (time_before(jiffies, until))
		cpu_relax();
}
static int __init wt_init(void)
{
	wt_spin(jiffies + seconds * HZ);
	pr_info("enough\n");
	return -ECANCELED;
}
module_init(wt_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("keeps the CPU");
