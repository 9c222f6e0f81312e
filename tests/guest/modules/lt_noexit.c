// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* An init without an exit: the module stays. */
#include <linux/module.h>

static int __init lt_noexit_init(void)
{
	pr_info("here to stay\n");
	return 0;
}

module_init(lt_noexit_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("no exit function");
