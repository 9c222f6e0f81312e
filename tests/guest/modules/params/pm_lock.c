// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// One parameter of a module at a time: those who come meanwhile wait, also for the module's own lock.
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/proc_fs.h>

static int slow_set(const char *value, const struct kernel_param *kp)
{
	pr_info("set %s begins\n", kp->name);
	msleep(1500);
	pr_info("set %s ends\n", kp->name);
	return 0;
}
static int slow_get(char *buffer, const struct kernel_param *kp)
{
	pr_info("get %s begins\n", kp->name);
	msleep(500);
	pr_info("get %s ends\n", kp->name);
	return sprintf(buffer, "%s\n", kp->name);
}
static const struct kernel_param_ops slow_ops = { .set = slow_set, .get = slow_get };
module_param_cb(first, &slow_ops, NULL, 0600);
module_param_cb(second, &slow_ops, NULL, 0600);
static int plain = 4;
module_param(plain, int, 0600);

static int reader(void *unused)
{
	kernel_param_lock(THIS_MODULE);
	pr_info("the module's own look at its parameters: plain %d\n", plain);
	msleep(200);
	kernel_param_unlock(THIS_MODULE);
	return 0;
}
static ssize_t look(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	kthread_run(reader, NULL, "pm_reader");
	return 0;
}
static const struct proc_ops look_ops = { .proc_read = look };

static int __init pm_init(void)
{
	return proc_create("pm_look", 0444, NULL, &look_ops) ? 0 : -ENOMEM;
}
static void __exit pm_exit(void)
{
	remove_proc_entry("pm_look", NULL);
}
module_init(pm_init);
module_exit(pm_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("slow parameters");
