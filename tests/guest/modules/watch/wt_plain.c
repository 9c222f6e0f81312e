// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/module.h>

static int number = 1;
static int number_set(const char *value, const struct kernel_param *kp)
{
	pr_info("parameter, state %d\n", THIS_MODULE->state);
	return param_set_int(value, kp);
}
static const struct kernel_param_ops number_ops = { .set = number_set, .get = param_get_int };
module_param_cb(number, &number_ops, &number, 0644);

int wt_shared(void);
int wt_shared(void)
{
	return number;
}
EXPORT_SYMBOL_GPL(wt_shared);
static int __init wt_init(void)
{
	pr_info("init, state %d\n", THIS_MODULE->state);
	return 0;
}
static void __exit wt_exit(void)
{
	pr_info("exit, state %d\n", THIS_MODULE->state);
}
module_init(wt_init);
module_exit(wt_exit);
MODULE_LICENSE("GPL");
MODULE_VERSION("2.5");
MODULE_DESCRIPTION("comes and goes");
