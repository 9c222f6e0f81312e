// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Uses lt_core, exports on. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include "lt_stack.h"

int lt_user_twice(int n)
{
	return lt_add(n, n);
}
EXPORT_SYMBOL_GPL(lt_user_twice);

static int __init lt_user_init(void)
{
	struct lt_pair pairs[] = { { 1, 2 }, { 3, 4 }, { 5, -6 } };

	pr_info("add %d, sum %ld, text '%s', counter %d\n", lt_add(2, 3), lt_sum(pairs, ARRAY_SIZE(pairs)), lt_text, lt_counter);
	lt_counter += 1000;
	return 0;
}

static void __exit lt_user_exit(void)
{
	pr_info("exit\n");
}

module_init(lt_user_init);
module_exit(lt_user_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("a user of exports");
