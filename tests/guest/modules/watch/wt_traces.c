// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// A second module that traces, by a parameter.
#include <linux/kernel.h>
#include <linux/module.h>

static int say_set(const char *value, const struct kernel_param *kp)
{
	trace_printk("said %s\n", value);
	return 0;
}
static const struct kernel_param_ops say_ops = { .set = say_set };
module_param_cb(say, &say_ops, NULL, 0200);
static int __init wt_init(void)
{
	return 0;
}
static void __exit wt_exit(void)
{
}
module_init(wt_init);
module_exit(wt_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("traces what it is told");
