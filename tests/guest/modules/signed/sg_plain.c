// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <linux/module.h>

static int __init sg_init(void)
{
	return 0;
}
static void __exit sg_exit(void)
{
}
module_init(sg_init);
module_exit(sg_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("is signed in many ways");
