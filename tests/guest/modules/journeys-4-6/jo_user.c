// The upper of two modules.
#define pr_fmt(fmt) "%s:%s(): " fmt, KBUILD_MODNAME, __func__
#include <linux/module.h>

MODULE_LICENSE("Dual MIT/GPL");

extern int jo_number;
long jo_get_key(int p);

static int __init jo_user_init(void)
{
	long key = jo_get_key(0xfedface);

	pr_info("inserted, key 0x%lx, number %d\n", key, jo_number);
	return 0;
}
static void __exit jo_user_exit(void)
{
	pr_info("bids you adieu\n");
}
module_init(jo_user_init);
module_exit(jo_user_exit);
