// A device whose reader sleeps in the module.
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/wait.h>

MODULE_LICENSE("GPL");

static DECLARE_WAIT_QUEUE_HEAD(wait);

static noinline int jo_wait_sleep(void)
{
	return wait_event_interruptible(wait, false);
}
static ssize_t jo_wait_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	int r = jo_wait_sleep();

	barrier();
	return r;
}
static const struct file_operations fops = { .owner = THIS_MODULE, .read = jo_wait_read };
static struct miscdevice misc = { .minor = MISC_DYNAMIC_MINOR, .name = "jowait", .fops = &fops };
module_misc_device(misc);
