// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Uses both; its file's name has a dash. Holds a reference to lt_core by hand when asked to. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include "lt_stack.h"

static bool hold;
module_param(hold, bool, 0444);

static int __init lt_top_init(void)
{
	pr_info("twice %d, counter %d\n", lt_user_twice(21), lt_counter);
	if (hold)
		pr_info("try_module_get: %d, refcount %d\n", try_module_get(THIS_MODULE), module_refcount(THIS_MODULE));
	return 0;
}

static void __exit lt_top_exit(void)
{
	pr_info("exit\n");
}

module_init(lt_top_init);
module_exit(lt_top_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("on top of the stack");
