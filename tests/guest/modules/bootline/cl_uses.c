// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/module.h>

int cl_level(void);

static int __init cl_init(void)
{
	pr_info("core has level %d\n", cl_level());
	return 0;
}
static void __exit cl_exit(void)
{
	pr_info("goes\n");
}
module_init(cl_init);
module_exit(cl_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("uses another");
