// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <linux/module.h>

static int port;
module_param_hw(port, int, ioport, 0600);
static int __init ld_init(void)
{
	return 0;
}
static void __exit ld_exit(void)
{
}
module_init(ld_init);
module_exit(ld_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("comes too late");
