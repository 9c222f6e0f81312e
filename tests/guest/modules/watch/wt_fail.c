// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/module.h>

static int number;
module_param(number, int, 0644);
static int __init wt_init(void)
{
	pr_info("init fails\n");
	return -EXDEV;
}
static void __exit wt_exit(void)
{
}
module_init(wt_init);
module_exit(wt_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("does not come");
