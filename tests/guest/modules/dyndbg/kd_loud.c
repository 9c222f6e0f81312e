// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Built with -DDEBUG: its messages are on until they are switched off. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/module.h>

static int say(const char *value, const struct kernel_param *kp)
{
	pr_debug("loud\n");
	return 0;
}
static const struct kernel_param_ops ops = { .set = say };
module_param_cb(say, &ops, NULL, 0200);

static int __init kd_init(void)
{
	pr_debug("in init\n");
	return 0;
}
static void __exit kd_exit(void)
{
}
module_init(kd_init);
module_exit(kd_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("dynamic debug, on from the start");
