// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/module.h>

static char *who = "nobody";
module_param(who, charp, 0444);
static int n = 1;
module_param(n, int, 0444);
static int list[4], lists;
module_param_array(list, int, &lists, 0444);
static bool flag;
module_param(flag, bool, 0444);

static int __init cl_init(void)
{
	pr_info("who %s, n %d, list %d: %d %d, flag %d\n", who, n, lists, list[0], list[1], flag);
	return 0;
}
static void __exit cl_exit(void)
{
	pr_info("goes\n");
}
module_init(cl_init);
module_exit(cl_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("parameters from everywhere");
MODULE_ALIAS("cl-device:*");
