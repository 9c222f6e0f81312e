// An init function that returns what it is told, and no exit function.
#include <linux/module.h>

MODULE_LICENSE("GPL");

static int ret;
module_param(ret, int, 0);

static int __init jo_init_init(void)
{
	pr_info("jo_init: returning %d\n", ret);
	return ret;
}
module_init(jo_init_init);
