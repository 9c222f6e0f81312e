// Entries in /proc with operations, with seq_file iterators of several kinds, single shows, directories and their removal.
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

MODULE_LICENSE("GPL");

static int rows = 5;
module_param(rows, int, 0644);
static int width = 10;
module_param(width, int, 0644);
static int fail_at = -1;
module_param(fail_at, int, 0644);
static int skip_at = -1;
module_param(skip_at, int, 0644);
static bool trace;
module_param(trace, bool, 0644);
static bool buggy;
module_param(buggy, bool, 0644);
#define say(...) do { if (trace) pr_info("ld_proc: " __VA_ARGS__); } while (0)

static void *rows_start(struct seq_file *m, loff_t *pos)
{
	say("start %lld\n", *pos);
	return *pos < rows ? (void *)(*pos + 1) : NULL;
}
static void *rows_next(struct seq_file *m, void *v, loff_t *pos)
{
	say("next %lld\n", *pos);
	if (!buggy)
		++*pos;
	return (long)v < rows ? v + 1 : NULL;
}
static void rows_stop(struct seq_file *m, void *v)
{
	say("stop %ld\n", (long)v);
}
static int rows_show(struct seq_file *m, void *v)
{
	long n = (long)v - 1;

	say("show %ld\n", n);
	if (n == fail_at)
		return -EIO;
	seq_printf(m, "row %ld %0*d\n", n, width, (int)n);
	return n == skip_at ? SEQ_SKIP : 0;
}
static const struct seq_operations rows_ops = { .start = rows_start, .next = rows_next, .stop = rows_stop, .show = rows_show };
static int rows_open(struct inode *inode, struct file *file)
{
	return seq_open(file, &rows_ops);
}
static const struct proc_ops rows_proc_ops = { .proc_open = rows_open, .proc_read = seq_read, .proc_lseek = seq_lseek, .proc_release = seq_release };

static int single_show(struct seq_file *m, void *v)
{
	seq_puts(m, "data: ");
	seq_puts(m, m->private);
	seq_putc(m, '\n');
	seq_printf(m, "%d %s %x\n", 12, "words", 255);
	seq_write(m, "raw\n", 4);
	seq_put_decimal_ull(m, "n=", 12345678901234ULL);
	seq_put_decimal_ll(m, " m=", -5);
	seq_putc(m, '\n');
	seq_setwidth(m, 20);
	seq_printf(m, "padded");
	seq_pad(m, '|');
	seq_putc(m, '\n');
	return 0;
}

static char buf[64] = "buffer";
static size_t len = 6;
static ssize_t plain_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	return simple_read_from_buffer(to, count, pos, buf, len);
}
static ssize_t plain_write(struct file *file, const char __user *from, size_t count, loff_t *pos)
{
	if (count >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, from, count))
		return -EFAULT;
	len = count;
	pr_info("ld_proc: plain has %zu, data %s\n", count, (char *)pde_data(file_inode(file)));
	return count;
}
static int plain_release(struct inode *inode, struct file *file)
{
	pr_info("ld_proc: plain released\n");
	return 0;
}
static long plain_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return cmd == 5 ? (long)arg * 2 : -ENOTTY;
}
static const struct proc_ops plain_ops = { .proc_read = plain_read, .proc_write = plain_write, .proc_release = plain_release, .proc_ioctl = plain_ioctl };

struct item {
	struct list_head list;
	int n;
};
static LIST_HEAD(items);
static void *list_start(struct seq_file *m, loff_t *pos)
{
	return seq_list_start_head(&items, *pos);
}
static void *list_next(struct seq_file *m, void *v, loff_t *pos)
{
	return seq_list_next(v, &items, pos);
}
static void list_stop(struct seq_file *m, void *v)
{
}
static int list_show(struct seq_file *m, void *v)
{
	int *calls = m->private;

	if (v == &items)
		seq_puts(m, "head\n");
	else
		seq_printf(m, "item %d, call %d\n", list_entry(v, struct item, list)->n, ++*calls);
	return 0;
}
static const struct seq_operations list_ops = { .start = list_start, .next = list_next, .stop = list_stop, .show = list_show };

static struct proc_dir_entry *dir;
static int __init ld_init(void)
{
	struct proc_dir_entry *e;
	int i;

	for (i = 0; i < 4; i++) {
		struct item *it = kzalloc(sizeof(*it), GFP_KERNEL);

		it->n = i * i;
		list_add_tail(&it->list, &items);
	}
	dir = proc_mkdir("ldproc", NULL);
	if (!dir)
		return -ENOMEM;
	proc_create("rows", 0444, dir, &rows_proc_ops);
	proc_create_single_data("single", 0, dir, single_show, "given");
	e = proc_create_data("plain", 0640, dir, &plain_ops, "private");
	proc_set_user(e, KUIDT_INIT(12), KGIDT_INIT(34));
	proc_set_size(e, 99);
	proc_create_seq_private("list", 0400, dir, &list_ops, sizeof(int), NULL);
	proc_create_seq("rows2", 0444, dir, &rows_ops);
	proc_mkdir_mode("sub", 0700, dir);
	pr_info("ld_proc: in a subdirectory by path: %d\n", proc_create("ldproc/sub/deep", 0, NULL, &plain_ops) != NULL);
	return 0;
}
static void __exit ld_exit(void)
{
	struct item *it, *next;

	remove_proc_entry("list", dir);
	proc_remove(dir);
	list_for_each_entry_safe(it, next, &items, list)
		kfree(it);
	pr_info("ld_proc: gone\n");
}
module_init(ld_init);
module_exit(ld_exit);
