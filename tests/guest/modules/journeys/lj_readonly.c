// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* J7-9.20 (M67): a write to read-only memory of a module is an oops; who did it is killed, the system goes on. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

static const u64 constant = 0x1122334455667788;

static int write_it(const char *val, const struct kernel_param *kp)
{
	pr_info("reads %llx\n", READ_ONCE(*(volatile u64 *)&constant));
	WRITE_ONCE(*(volatile u64 *)&constant, 0xba);
	pr_info("written\n");
	return 0;
}
static const struct kernel_param_ops ops = { .set = write_it };
module_param_cb(write, &ops, NULL, 0200);

static int __init lj_readonly_init(void)
{
	return 0;
}

static void __exit lj_readonly_exit(void)
{
}

module_init(lj_readonly_init);
module_exit(lj_readonly_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("read-only memory");
