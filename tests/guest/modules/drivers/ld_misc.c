// A misc device that tells about every call: open, release, read, write, seek, ioctl, flush, fsync.
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

MODULE_LICENSE("GPL");

#define SIZE 64
#define LD_RESET _IO('l', 0)
#define LD_GET _IOR('l', 1, int)
#define LD_SET _IOW('l', 2, int)
#define LD_SWAP _IOWR('l', 3, struct ld_pair)
struct ld_pair {
	u32 a, b;
};
struct ld_data {
	char buf[SIZE];
	int value, opens;
};
static struct ld_data *data;
static struct miscdevice ld_misc;
static int open_result;
module_param(open_result, int, 0644);
static int flush_result;
module_param(flush_result, int, 0644);

static int ld_open(struct inode *inode, struct file *file)
{
	struct miscdevice *misc = file->private_data;

	dev_info(misc->this_device, "open %pD major %u minor ok %d flags 0x%x mode 0x%x uid %u\n", file, imajor(inode),
		 iminor(inode) == misc->minor, file->f_flags, file->f_mode & 0x1f, __kuid_val(file->f_cred->uid));
	if (open_result)
		return open_result;
	data->opens++;
	return 0;
}
static int ld_release(struct inode *inode, struct file *file)
{
	dev_info(ld_misc.this_device, "release by %s, opens %d, pos %lld\n", current->comm, data->opens--, file->f_pos);
	return 0;
}
static ssize_t ld_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	size_t n = min(count, (size_t)(*pos < SIZE ? SIZE - *pos : 0));
	unsigned long left = copy_to_user(to, data->buf + *pos, n);

	dev_info(ld_misc.this_device, "read %zu at %lld, nonblock %d, left %lu\n", count, *pos, !!(file->f_flags & O_NONBLOCK), left);
	if (n && left == n)
		return -EFAULT;
	*pos += n - left;
	return n - left;
}
static ssize_t ld_write(struct file *file, const char __user *from, size_t count, loff_t *pos)
{
	size_t n;

	dev_info(ld_misc.this_device, "write %zu at %lld\n", count, *pos);
	if (*pos >= SIZE)
		return -ENOSPC;
	n = min(count, (size_t)(SIZE - *pos));
	if (copy_from_user(data->buf + *pos, from, n))
		return -EFAULT;
	*pos += n;
	return n;
}
static loff_t ld_llseek(struct file *file, loff_t offset, int whence)
{
	loff_t r = fixed_size_llseek(file, offset, whence, SIZE);

	dev_info(ld_misc.this_device, "llseek %lld from %d: %lld\n", offset, whence, r);
	return r;
}
static long ld_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct ld_pair pair;
	int value;

	dev_info(ld_misc.this_device, "ioctl 0x%x\n", cmd);
	switch (cmd) {
	case LD_RESET:
		data->value = arg;
		memset(data->buf, 0, SIZE);
		return 0;
	case LD_GET:
		return put_user(data->value, (int __user *)arg);
	case LD_SET:
		if (get_user(value, (int __user *)arg))
			return -EFAULT;
		data->value = value;
		return 7;
	case LD_SWAP:
		if (copy_from_user(&pair, (void __user *)arg, sizeof(pair)))
			return -EFAULT;
		swap(pair.a, pair.b);
		return copy_to_user((void __user *)arg, &pair, sizeof(pair)) ? -EFAULT : 0;
	}
	return -ENOIOCTLCMD;
}
static int ld_flush(struct file *file, fl_owner_t id)
{
	dev_info(ld_misc.this_device, "flush: %d\n", flush_result);
	return flush_result;
}
static int ld_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	dev_info(ld_misc.this_device, "fsync %lld to %llx, data only %d\n", start, end, datasync);
	return 0;
}
static const struct file_operations ld_fops = {
	.owner = THIS_MODULE,
	.open = ld_open,
	.release = ld_release,
	.read = ld_read,
	.write = ld_write,
	.llseek = ld_llseek,
	.unlocked_ioctl = ld_ioctl,
	.flush = ld_flush,
	.fsync = ld_fsync,
};
static struct miscdevice ld_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ldmisc",
	.mode = 0666,
	.fops = &ld_fops,
};

static int __init ld_init(void)
{
	int r = misc_register(&ld_misc);

	if (r)
		return r;
	data = devm_kzalloc(ld_misc.this_device, sizeof(*data), GFP_KERNEL);
	if (!data) {
		misc_deregister(&ld_misc);
		return -ENOMEM;
	}
	strscpy(data->buf, "initial contents", SIZE);
	dev_info(ld_misc.this_device, "there as %s, dynamic %d\n", dev_name(ld_misc.this_device), ld_misc.minor > 255);
	dev_warn(ld_misc.this_device, "a warning\n");
	dev_err(ld_misc.this_device, "an error\n");
	dev_notice(ld_misc.this_device, "a notice\n");
	dev_crit(NULL, "nobody's\n");
	return 0;
}
static void __exit ld_exit(void)
{
	dev_info(ld_misc.this_device, "leaving\n");
	misc_deregister(&ld_misc);
	pr_info("ld_misc: minor is dynamic again: %d\n", ld_misc.minor == MISC_DYNAMIC_MINOR);
}
module_init(ld_init);
module_exit(ld_exit);
