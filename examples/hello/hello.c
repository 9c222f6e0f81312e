// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * A first kernel module: it greets when it is loaded and says goodbye when it is removed.
 *
 *   insmod hello.ko who=Ada times=2
 *   cat /sys/module/hello/parameters/who
 *   rmmod hello
 *   dmesg | tail
 */

/*
 * Every pr_info() and its kin below prints this in front: the module's name. It has to come before the first #include, because the
 * headers give it a default of nothing.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

/*
 * Parameters: what `insmod hello.ko times=2` sets. They are ordinary variables with a default. The last argument of module_param() is the
 * mode of the file /sys/module/hello/parameters/times: 0644 lets root change it while the module is loaded, 0444 makes it read-only.
 */
static int times = 1;
module_param(times, int, 0644);
MODULE_PARM_DESC(times, "how often to greet, 1 to 10 (default 1)");

static char *who = "world";
module_param(who, charp, 0444);
MODULE_PARM_DESC(who, "whom to greet (default world)");

/*
 * Runs once, when the module is loaded. The kernel frees the memory of __init functions afterwards.
 * 0 means success; a negative error number makes insmod fail with that error, and the module is gone again.
 */
static int __init hello_init(void)
{
	int i;

	if (times < 1 || times > 10) {
		pr_err("times=%d is not between 1 and 10\n", times);
		return -EINVAL;
	}
	for (i = 0; i < times; i++)
		pr_info("Hello, %s!\n", who);
	/* pr_debug() prints only when it is switched on: add `ccflags-y += -DDEBUG` to the Makefile. */
	pr_debug("hello_init is at %p\n", hello_init);
	return 0;
}

/* Runs when the module is removed. It must undo everything that init did; here there is nothing to undo. */
static void __exit hello_exit(void)
{
	pr_info("Goodbye, %s!\n", who);
}

module_init(hello_init);
module_exit(hello_exit);

/* What modinfo shows. The licence is not decoration: it decides which of the kernel's functions the module may use. */
MODULE_DESCRIPTION("A first kernel module, with parameters");
MODULE_AUTHOR("The Lintel authors");
MODULE_LICENSE("GPL");
