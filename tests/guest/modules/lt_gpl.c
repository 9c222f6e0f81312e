// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Uses GPL-only symbols. The tests change its licence in the finished file. */
#include <linux/module.h>
#include "lt_stack.h"

static int __init lt_gpl_init(void)
{
	struct lt_pair pair = { 20, 22 };

	pr_info("lt_gpl: sum %ld of '%s'\n", lt_sum(&pair, 1), lt_text);
	return 0;
}

static void __exit lt_gpl_exit(void)
{
}

module_init(lt_gpl_init);
module_exit(lt_gpl_exit);
MODULE_LICENSE("Dual MPL/GPL");
MODULE_DESCRIPTION("GPL-only imports");
