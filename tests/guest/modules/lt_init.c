// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Its init returns what it is told to. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

static int ret;
module_param(ret, int, 0444);

static int __init lt_init_init(void)
{
	pr_info("init returns %d\n", ret);
	return ret;
}

static void __exit lt_init_exit(void)
{
	pr_info("exit\n");
}

module_init(lt_init_init);
module_exit(lt_init_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("init results");
