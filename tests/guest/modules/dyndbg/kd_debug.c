// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Debug messages that dynamic debug switches. Each write to the parameter says the same things. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/module.h>

static noinline void first(int n)
{
	pr_debug("first %d\n", n);
	pr_debug("with \"quotes\" and a\ttab\n");
}

static noinline void second(const char *text)
{
	int i;

	for (i = 0; i < 3; i++)
		pr_debug("second %s %d\n", text, i);
	print_hex_dump_debug("dump ", DUMP_PREFIX_OFFSET, 16, 1, text, 4, true);
}

static int say(const char *value, const struct kernel_param *kp)
{
	first(7);
	second("word");
	pr_devel("never\n");
	pr_info("said\n");
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
	pr_debug("in exit\n");
}
module_init(kd_init);
module_exit(kd_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("dynamic debug");
