// Signals for input and output: fasync_helper, kill_fasync. A write sends POLL_IN, ioctl(1, band) sends that band.
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>

MODULE_LICENSE("GPL");

static struct fasync_struct *queue;
static DECLARE_WAIT_QUEUE_HEAD(wait);
static int available;
static int refuse;
module_param(refuse, int, 0644);

static int la_fasync(int fd, struct file *file, int on)
{
	int r = refuse ? refuse : fasync_helper(fd, file, on, &queue);

	pr_info("fasync fd %d on %d = %d, list %s, flag %d\n", fd, on, r, queue ? "there" : "empty", !!(file->f_flags & FASYNC));
	return r;
}
static int la_release(struct inode *inode, struct file *file)
{
	pr_info("release, again %d\n", fasync_helper(-1, file, 0, &queue));
	return 0;
}
static ssize_t la_write(struct file *file, const char __user *from, size_t count, loff_t *pos)
{
	available += count;
	wake_up_interruptible(&wait);
	kill_fasync(&queue, SIGIO, POLL_IN);
	return count;
}
static ssize_t la_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	if (!available && (file->f_flags & O_NONBLOCK))
		return -EAGAIN;
	if (wait_event_interruptible(wait, available))
		return -ERESTARTSYS;
	count = min_t(size_t, count, available);
	available -= count;
	return clear_user(to, count) ? -EFAULT : count;
}
static __poll_t la_poll(struct file *file, poll_table *table)
{
	poll_wait(file, &wait, table);
	return available ? EPOLLIN | EPOLLRDNORM | EPOLLOUT : EPOLLOUT | EPOLLWRNORM;
}
static long la_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	kill_fasync(&queue, cmd, arg);
	return queue != NULL;
}
static const struct file_operations fops = {
	.owner = THIS_MODULE, .fasync = la_fasync, .release = la_release, .write = la_write, .read = la_read, .poll = la_poll, .unlocked_ioctl = la_ioctl
};
static struct miscdevice la_misc = { .minor = MISC_DYNAMIC_MINOR, .name = "ldasync", .fops = &fops };
module_misc_device(la_misc);
