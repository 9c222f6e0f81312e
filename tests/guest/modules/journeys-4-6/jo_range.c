// A parameter that must be given, from 1 to 5.
#include <linux/module.h>

MODULE_LICENSE("GPL");

static int choice;
module_param(choice, int, 0640);

static int __init jo_range_init(void)
{
	if (choice < 1 || choice > 5) {
		pr_warn("jo_range: the parameter 'choice' must be in [1-5]; aborting\n");
		return -EINVAL;
	}
	pr_info("jo_range: choice %d\n", choice);
	return 0;
}
static void __exit jo_range_exit(void)
{
}
module_init(jo_range_init);
module_exit(jo_range_exit);
