// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* J7-9.4, J7-9.5 (M48, M49): a file of debugfs that says where the parts of the kernel's half lie, one row each: start,end,mode,name. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <asm/fixmap.h>

static struct dentry *dir;
static DEFINE_MUTEX(lock);
static int of_code;

static ssize_t regions_read(struct file *file, char __user *to, size_t len, loff_t *off)
{
	const size_t size = 1024;
	ssize_t r;
	char *text;
	int n = 0;

	if (mutex_lock_interruptible(&lock))
		return -ERESTARTSYS;
	text = kzalloc(size, GFP_KERNEL);
	if (!text) {
		mutex_unlock(&lock);
		return -ENOMEM;
	}
	n += scnprintf(text + n, size - n, "%px,%px,rw-,direct map\n", (void *)PAGE_OFFSET, high_memory);
	n += scnprintf(text + n, size - n, "%px,%px,rw-,vmalloc\n", (void *)VMALLOC_START, (void *)VMALLOC_END);
	n += scnprintf(text + n, size - n, "%px,%px,rw-,vmemmap\n", (void *)VMEMMAP_START, (void *)VMEMMAP_END);
	n += scnprintf(text + n, size - n, "%px,%px,r--,fixmap\n", (void *)FIXADDR_START, (void *)(FIXADDR_START + FIXADDR_SIZE));
	n += scnprintf(text + n, size - n, "PAGE_SIZE,%lx\nTASK_SIZE,%lx\n", PAGE_SIZE, TASK_SIZE);
	r = simple_read_from_buffer(to, len, off, text, n);
	kfree(text);
	mutex_unlock(&lock);
	return r;
}

static const struct file_operations regions_fops = {
	.owner = THIS_MODULE,
	.read = regions_read,
};

static int __init lj_segments_init(void)
{
	unsigned int areas = 0;

	dir = debugfs_create_dir("lj_segments", NULL);
	if (IS_ERR_OR_NULL(debugfs_create_file("regions", 0444, dir, NULL, &regions_fops))) {
		debugfs_remove_recursive(dir);
		return -ENOMEM;
	}
	pr_info("code %px data %px stack %px\n", lj_segments_init, &of_code, &areas);
	if (current->mm) {
		struct mm_struct *mm = current->mm;

		areas = mm->map_count;
		pr_info("user: code before data %d, data before heap %d, heap before stack %d, stack below TASK_SIZE %d\n", mm->start_code < mm->start_data,
			mm->end_data <= mm->start_brk, mm->brk < mm->start_stack, mm->start_stack < TASK_SIZE);
		pr_info("areas: as many as in /proc/PID/maps, some %d\n", areas > 3);
	}
	return 0;
}

static void __exit lj_segments_exit(void)
{
	debugfs_remove_recursive(dir);
}

module_init(lj_segments_init);
module_exit(lj_segments_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("where the kernel's parts lie");
