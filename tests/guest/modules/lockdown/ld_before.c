// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Loaded before the kernel is locked down: parameters that name hardware, files in debugfs of several modes.
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/debugfs.h>
#include <linux/module.h>

static int port = 2;
module_param_hw(port, int, ioport, 0600);
static int plain = 3;
module_param(plain, int, 0600);
static struct dentry *dir;
static u32 number = 7;

static long ld_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return 0;
}
static const struct file_operations with_ioctl = { .owner = THIS_MODULE, .open = simple_open, .unlocked_ioctl = ld_ioctl };

static int __init ld_init(void)
{
	dir = debugfs_create_dir("ld_before", NULL);
	debugfs_create_u32("readable", 0444, dir, &number);
	debugfs_create_u32("root", 0400, dir, &number);
	debugfs_create_u32("writable", 0644, dir, &number);
	debugfs_create_u32("write", 0200, dir, &number);
	debugfs_create_file("ioctl", 0444, dir, NULL, &with_ioctl);
	return 0;
}
static void __exit ld_exit(void)
{
	debugfs_remove(dir);
}
module_init(ld_init);
module_exit(ld_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("was there before");
