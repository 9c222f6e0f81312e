// One module from two sources.
#include <linux/module.h>
#include "jo_lib.h"

MODULE_LICENSE("GPL");

static int __init jo_lib_init(void)
{
	int r;

	jo_multiply(500, 900, &r);
	pr_info("500 * 900 = %d\n", r);
	jo_multiply(10000, 250000, &r);
	pr_info("10000 * 250000: %d\n", r);
	return 0;
}
static void __exit jo_lib_exit(void)
{
}
module_init(jo_lib_init);
module_exit(jo_lib_exit);
