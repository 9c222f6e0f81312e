// A character device that keeps a line of text and counts: a driver to start from, with a test beside it (driver.test.mjs).
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "counter.h"

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A device that keeps a line of text and counts what is done with it");

static char line[COUNTER_LINE];
static size_t length;
static struct counter_state state = { .step = 1 };

static ssize_t counter_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	state.reads += state.step;
	return simple_read_from_buffer(to, count, pos, line, length);
}

static ssize_t counter_write(struct file *file, const char __user *from, size_t count, loff_t *pos)
{
	if (count > sizeof(line))
		return -ENOSPC;
	if (copy_from_user(line, from, count))
		return -EFAULT;
	length = count;
	state.writes += state.step;
	return count;
}

static long counter_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case COUNTER_GET:
		return copy_to_user((void __user *)arg, &state, sizeof(state)) ? -EFAULT : 0;
	case COUNTER_STEP:
		if (arg == 0 || arg > 100)
			return -EINVAL;
		state.step = arg;
		return 0;
	}
	return -ENOTTY;
}

static const struct file_operations counter_fops = {
	.owner = THIS_MODULE,
	.read = counter_read,
	.write = counter_write,
	.unlocked_ioctl = counter_ioctl,
};
static struct miscdevice counter_device = { .minor = MISC_DYNAMIC_MINOR, .name = "counter", .mode = 0666, .fops = &counter_fops };
module_misc_device(counter_device);
