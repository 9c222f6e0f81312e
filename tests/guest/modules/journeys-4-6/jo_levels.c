// A message at each level, with a prefix that pr_fmt makes.
#define pr_fmt(fmt) "%s:%s(): " fmt, KBUILD_MODNAME, __func__
#include <linux/module.h>

MODULE_LICENSE("GPL");

static int __init jo_levels_init(void)
{
	pr_emerg("level 0\n");
	pr_alert("level 1\n");
	pr_crit("level 2\n");
	pr_err("level 3\n");
	pr_warn("level 4\n");
	pr_notice("level 5\n");
	pr_info("level 6\n");
	pr_debug("level 7\n");
	pr_devel("level 7, developers only\n");
	printk("no level\n");
	return 0;
}
static void __exit jo_levels_exit(void)
{
	pr_info("removed\n");
	pr_debug("removed, says debug\n");
}
module_init(jo_levels_init);
module_exit(jo_levels_exit);
