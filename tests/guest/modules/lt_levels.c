// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Every way to a line of the kernel log: levels, the default level, continuation, several lines, pr_fmt. */
#define pr_fmt(fmt) "%s/%s: " fmt, KBUILD_MODNAME, __func__

#include <linux/module.h>

static int __init lt_levels_init(void)
{
	pr_emerg("level %d\n", 0);
	pr_alert("level %d\n", 1);
	pr_crit("level %d\n", 2);
	pr_err("level %d\n", 3);
	pr_warn("level %d\n", 4);
	pr_notice("level %d\n", 5);
	pr_info("level %d\n", 6);
	pr_debug("never shown: DEBUG is not defined\n");
	pr_devel("never shown either\n");
	printk(KERN_EMERG "plain 0\n");
	printk(KERN_DEBUG "plain 7\n");
	printk("no level\n");
	printk(KERN_DEFAULT "the default level\n");
	printk(KERN_INFO "no newline");
	printk(KERN_INFO "after a line without newline\n");
	printk(KERN_INFO "one");
	printk(KERN_CONT " two");
	pr_cont(" three\n");
	printk(KERN_CONT "a continuation of nothing\n");
	printk(KERN_INFO "first line\nsecond line\n\nfourth line\n");
	printk(KERN_WARNING "\n");
	printk("");
	printk(KERN_INFO);
	printk("\001" "x not a level\n");
	printk(KERN_INFO "%s" KERN_ERR "in the middle\n", "levels ");
	pr_info_once("once\n");
	pr_info("at %s:%d\n", __FILE__, __LINE__);
	return 0;
}

static void __exit lt_levels_exit(void)
{
	pr_notice("gone\n");
}

module_init(lt_levels_init);
module_exit(lt_levels_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The Lintel authors");
MODULE_DESCRIPTION("printk levels");
MODULE_VERSION("1.2");
