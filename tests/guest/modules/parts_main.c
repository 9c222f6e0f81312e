// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* One module of three sources, one of them assembler. */
#include <linux/module.h>

int parts_help(int n);
long parts_asm(long n);

static int __init parts_init(void)
{
	pr_info("%s: help %d, asm %ld, base %s\n", KBUILD_MODNAME, parts_help(20), parts_asm(7), KBUILD_BASENAME);
	return 0;
}

static void __exit parts_exit(void)
{
	pr_info("%s: exit\n", KBUILD_MODNAME);
}

module_init(parts_init);
module_exit(parts_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("several sources");
