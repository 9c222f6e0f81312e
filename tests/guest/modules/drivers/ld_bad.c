// A driver that does what drivers must not do: wild results, faults in its functions, wrong copies.
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>

MODULE_LICENSE("GPL");

static char *what = "";
module_param(what, charp, 0644);
static long result;
module_param(result, long, 0644);

static int is(const char *s)
{
	return strcmp(what, s) == 0;
}
static int bad_open(struct inode *inode, struct file *file)
{
	if (is("open_oops"))
		*(volatile int *)8 = 1;
	if (is("open"))
		return result;
	return 0;
}
static int bad_release(struct inode *inode, struct file *file)
{
	pr_info("ld_bad: release, mm %d\n", current->mm != NULL);
	if (is("release_oops"))
		*(volatile int *)16 = 1;
	return is("release") ? result : 0;
}
static ssize_t bad_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	char local[8] = "local";

	if (is("read_oops"))
		*(volatile int *)32 = 1;
	if (is("read_user")) {
		*(volatile char *)to = 'x';
		return 1;
	}
	if (is("read_kernel"))
		return copy_to_user((void __user *)local, local, 4);
	if (is("read_partial"))
		return copy_to_user(to, local, 8);
	if (is("read_null"))
		return memcpy(local, NULL + 64, count) ? 1 : 0;
	if (is("read_pos")) {
		*pos = result;
		return 0;
	}
	return result;
}
static ssize_t bad_write(struct file *file, const char __user *from, size_t count, loff_t *pos)
{
	char local[16] = "unchanged";
	unsigned long left = copy_from_user(local, from, 8);

	pr_info("ld_bad: left %lu, then '%.9s'\n", left, local);
	return is("write") ? result : (ssize_t)count;
}
static long bad_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return result;
}
static loff_t bad_llseek(struct file *file, loff_t offset, int whence)
{
	return result;
}
static const struct file_operations bad_fops = {
	.owner = THIS_MODULE,
	.open = bad_open,
	.release = bad_release,
	.read = bad_read,
	.write = bad_write,
	.unlocked_ioctl = bad_ioctl,
	.llseek = bad_llseek,
};
static struct miscdevice bad_misc = { .minor = MISC_DYNAMIC_MINOR, .name = "ldbad", .fops = &bad_fops };
module_misc_device(bad_misc);
