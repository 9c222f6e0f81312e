// Character devices by number: a region, one cdev for four minors, a class with a device for each; state per open file; kinds of positions.
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

MODULE_LICENSE("GPL");

#define MINORS 4
#define SIZE 32
struct ld_chr {
	struct cdev cdev;
	char buf[MINORS][SIZE];
};
struct ld_open_file {
	int minor, calls;
};
static struct ld_chr *chr;
static struct class *class;
static dev_t first;
static int old_major;
module_param(old_major, int, 0444);

static int ld_open(struct inode *inode, struct file *file)
{
	struct ld_chr *c = container_of(inode->i_cdev, struct ld_chr, cdev);
	struct ld_open_file *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	f->minor = iminor(inode) - MINOR(first);
	file->private_data = f;
	pr_info("ld_chr: open minor %d, cdev ok %d, same inode %d, char %d\n", f->minor, c == chr, file_inode(file) == inode,
		S_ISCHR(inode->i_mode));
	if (f->minor == 1)
		return nonseekable_open(inode, file);
	if (f->minor == 2)
		return stream_open(inode, file);
	return 0;
}
static int ld_release(struct inode *inode, struct file *file)
{
	struct ld_open_file *f = file->private_data;

	pr_info("ld_chr: release minor %d after %d calls\n", f->minor, f->calls);
	kfree(f);
	return 0;
}
static ssize_t ld_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	struct ld_open_file *f = file->private_data;
	loff_t own = 0;

	f->calls++;
	if (f->minor == 2)
		pr_info("ld_chr: stream read, pos given %d\n", pos != NULL);
	return simple_read_from_buffer(to, count, pos ? pos : &own, chr->buf[f->minor], SIZE);
}
static ssize_t ld_write(struct file *file, const char __user *from, size_t count, loff_t *pos)
{
	struct ld_open_file *f = file->private_data;
	loff_t own = 0;

	f->calls++;
	return simple_write_to_buffer(chr->buf[f->minor], SIZE, pos ? pos : &own, from, count);
}
static const struct file_operations ld_fops = {
	.owner = THIS_MODULE,
	.open = ld_open,
	.release = ld_release,
	.read = ld_read,
	.write = ld_write,
	.llseek = default_llseek,
};

static ssize_t iter_read(struct kiocb *iocb, struct iov_iter *to)
{
	size_t n = min(iov_iter_count(to), (size_t)(iocb->ki_pos < SIZE ? SIZE - iocb->ki_pos : 0));

	pr_info("ld_chr: read_iter of %zu at %lld\n", iov_iter_count(to), iocb->ki_pos);
	n = copy_to_iter(chr->buf[3] + iocb->ki_pos, n, to);
	iocb->ki_pos += n;
	return n;
}
static ssize_t iter_write(struct kiocb *iocb, struct iov_iter *from)
{
	size_t n = min(iov_iter_count(from), (size_t)(iocb->ki_pos < SIZE ? SIZE - iocb->ki_pos : 0));

	pr_info("ld_chr: write_iter of %zu at %lld\n", iov_iter_count(from), iocb->ki_pos);
	n = copy_from_iter(chr->buf[3] + iocb->ki_pos, n, from);
	iocb->ki_pos += n;
	return n;
}
static const struct file_operations iter_fops = {
	.owner = THIS_MODULE,
	.read_iter = iter_read,
	.write_iter = iter_write,
	.llseek = noop_llseek,
};

static int __init ld_init(void)
{
	struct device *dev;
	int r, i;

	r = alloc_chrdev_region(&first, 5, MINORS, "ldchr");
	if (r)
		return r;
	pr_info("ld_chr: first minor %u\n", MINOR(first));
	pr_info("ld_chr: the same numbers again: %d\n", register_chrdev_region(first, 1, "again"));
	pr_info("ld_chr: a major too big: %d\n", register_chrdev_region(MKDEV(600, 0), 1, "big"));
	chr = kzalloc(sizeof(*chr), GFP_KERNEL);
	if (!chr)
		return -ENOMEM;
	cdev_init(&chr->cdev, &ld_fops);
	chr->cdev.owner = THIS_MODULE;
	r = cdev_add(&chr->cdev, first, MINORS);
	if (r)
		return r;
	class = class_create("ldclass");
	if (IS_ERR(class))
		return PTR_ERR(class);
	for (i = 0; i < MINORS; i++) {
		snprintf(chr->buf[i], SIZE, "device %d", i);
		dev = device_create(class, NULL, first + i, chr->buf[i], "ldchr%d", i);
		if (IS_ERR(dev))
			return PTR_ERR(dev);
		dev_info(dev, "drvdata ok %d\n", dev_get_drvdata(dev) == chr->buf[i]);
	}
	r = register_chrdev(0, "ldold", &iter_fops);
	if (r < 0)
		return r;
	old_major = r;
	pr_info("ld_chr: taken: %d\n", register_chrdev(old_major, "ldold2", &iter_fops));
	return 0;
}
static void __exit ld_exit(void)
{
	int i;

	unregister_chrdev(old_major, "ldold");
	for (i = 0; i < MINORS; i++)
		device_destroy(class, first + i);
	class_destroy(class);
	cdev_del(&chr->cdev);
	unregister_chrdev_region(first, MINORS);
	kfree(chr);
	pr_info("ld_chr: gone\n");
}
module_init(ld_init);
module_exit(ld_exit);
