// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Parameters that are dangerous, or name hardware.
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/module.h>

static int danger = 1;
module_param_unsafe(danger, int, 0600);
static int port = 2;
module_param_hw(port, int, ioport, 0600);
static int plain = 3;
module_param(plain, int, 0600);
static int odd_set(const char *value, const struct kernel_param *kp)
{
	pr_info("odd %s", value);
	return value[0] == 'x' ? -EDOM : 0;
}
static const struct kernel_param_ops odd_ops = { .set = odd_set };
module_param_cb_unsafe(odd, &odd_ops, NULL, 0200);

static int __init pm_init(void)
{
	pr_info("danger %d, port %d, plain %d\n", danger, port, plain);
	return 0;
}
static void __exit pm_exit(void)
{
}
module_init(pm_init);
module_exit(pm_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("dangerous parameters");
