// The lower of two modules: exports a function to all and a number to GPL modules.
#define pr_fmt(fmt) "%s:%s(): " fmt, KBUILD_MODNAME, __func__
#include <linux/module.h>

MODULE_LICENSE("Dual MIT/GPL");

int jo_number = 200;
EXPORT_SYMBOL_GPL(jo_number);
long jo_get_key(int p);
long jo_get_key(int p)
{
	pr_info("called with 0x%x by %s\n", p, current->comm);
	return p == 0xfedface ? 0x123abc567def : 0;
}
EXPORT_SYMBOL(jo_get_key);

static int __init jo_core_init(void)
{
	pr_info("inserted\n");
	return 0;
}
static void __exit jo_core_exit(void)
{
	pr_info("bids you adieu\n");
}
module_init(jo_core_init);
module_exit(jo_core_exit);
