// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Compiled with -DDEBUG: pr_debug and pr_devel print. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

static int __init lt_debug_init(void)
{
	pr_debug("pr_debug with DEBUG, %s\n", LT_FLAG);
	pr_devel("pr_devel with DEBUG\n");
	print_hex_dump_debug("dump ", DUMP_PREFIX_OFFSET, 16, 1, "0123456789abcdefXYZ", 19, true);
	return 0;
}

static void __exit lt_debug_exit(void)
{
	pr_debug("exit\n");
}

module_init(lt_debug_init);
module_exit(lt_debug_exit);
MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("messages for developers");
