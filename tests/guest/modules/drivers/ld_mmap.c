// mmap of a driver's memory in the ways that drivers have. how=: pfn, page, pages, vmalloc, iomap, fault, faultpfn, none, null, error.
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

MODULE_LICENSE("GPL");

#define PAGES 4
static char *how = "pfn";
module_param(how, charp, 0644);
static char *area;	/* contiguous */
static char *virt;	/* of vmalloc_user */
static struct page *single[PAGES];

static void show(const char *what, struct vm_area_struct *vma)
{
	pr_info("%s: %lu pages, offset %lu, flags 0x%lx, file %d, private %d, same mm %d\n", what, vma_pages(vma), vma->vm_pgoff < 16 ? vma->vm_pgoff : 99,
		vma->vm_flags & ~(VM_SOFTDIRTY | VM_MAYEXEC | VM_NORESERVE), vma->vm_file != NULL, (int)(long)vma->vm_private_data, vma->vm_mm == current->mm);
}
static void lm_open(struct vm_area_struct *vma)
{
	vma->vm_private_data += 1;
	show("open", vma);
}
static void lm_close(struct vm_area_struct *vma)
{
	pr_info("close: %lu pages, offset %lu, private %d\n", vma_pages(vma), vma->vm_pgoff < 16 ? vma->vm_pgoff : 99, (int)(long)vma->vm_private_data);
}
static vm_fault_t lm_fault(struct vm_fault *vmf)
{
	pr_info("fault: page %lu, at %lu, write %d\n", vmf->pgoff, (vmf->address - vmf->vma->vm_start) >> PAGE_SHIFT, vmf->flags & FAULT_FLAG_WRITE);
	if (vmf->pgoff >= PAGES)
		return vmf->pgoff == PAGES ? VM_FAULT_SIGBUS : VM_FAULT_SIGSEGV;
	if (how[5])
		return vmf_insert_pfn(vmf->vma, vmf->address, page_to_pfn(single[vmf->pgoff]));
	vmf->page = single[vmf->pgoff];
	get_page(vmf->page);
	return 0;
}
static const struct vm_operations_struct ops = { .open = lm_open, .close = lm_close };
static const struct vm_operations_struct fault_ops = { .open = lm_open, .close = lm_close, .fault = lm_fault };

static int lm_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long size = vma->vm_end - vma->vm_start;
	unsigned long at;
	int r = 0, i = 0;

	show("mmap", vma);
	vma->vm_ops = &ops;
	if (!strcmp(how, "pfn"))
		r = remap_pfn_range(vma, vma->vm_start, (virt_to_phys(area) >> PAGE_SHIFT) + vma->vm_pgoff, size, vma->vm_page_prot);
	else if (!strcmp(how, "iomap"))
		r = vm_iomap_memory(vma, virt_to_phys(area), PAGES * PAGE_SIZE);
	else if (!strcmp(how, "page")) {
		for (at = vma->vm_start; at < vma->vm_end && !r; at += PAGE_SIZE)
			r = vm_insert_page(vma, at, single[(vma->vm_pgoff + i++) % PAGES]);
		pr_info("a second time: %d, outside: %d\n", vm_insert_page(vma, vma->vm_start, single[0]), vm_insert_page(vma, vma->vm_end, single[0]));
	} else if (!strcmp(how, "pages"))
		r = vm_map_pages(vma, single, PAGES);
	else if (!strcmp(how, "vmalloc"))
		r = remap_vmalloc_range(vma, virt, vma->vm_pgoff);
	else if (!strncmp(how, "fault", 5)) {
		vma->vm_ops = &fault_ops;
		vm_flags_set(vma, (how[5] ? VM_PFNMAP : 0) | VM_DONTEXPAND | VM_DONTDUMP);
	} else if (!strcmp(how, "null"))
		vma->vm_ops = NULL;
	else if (!strcmp(how, "error"))
		r = -EPERM;
	show("done", vma);
	pr_info("result %d\n", r);
	return r;
}
static ssize_t lm_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	char text[64];
	int n = 0, i;

	for (i = 0; i < PAGES; i++)
		n += scnprintf(text + n, sizeof(text) - n, "%.4s %.4s %.4s %d|", area + i * PAGE_SIZE, (char *)page_address(single[i]), virt + i * PAGE_SIZE,
			       page_count(single[i]));
	return simple_read_from_buffer(to, count, pos, text, n);
}
static const struct file_operations fops = { .owner = THIS_MODULE, .mmap = lm_mmap, .read = lm_read };
static struct miscdevice lm_misc = { .minor = MISC_DYNAMIC_MINOR, .name = "ldmmap", .fops = &fops, .mode = 0666 };

static int __init lm_init(void)
{
	int i;

	area = (char *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, 2);
	virt = vmalloc_user(PAGES * PAGE_SIZE);
	for (i = 0; i < PAGES; i++) {
		single[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		sprintf(area + i * PAGE_SIZE, "area page %d", i);
		sprintf(virt + i * PAGE_SIZE, "virt page %d", i);
		sprintf(page_address(single[i]), "sing page %d", i);
	}
	return misc_register(&lm_misc);
}
static void __exit lm_exit(void)
{
	int i;

	misc_deregister(&lm_misc);
	for (i = 0; i < PAGES; i++)
		__free_page(single[i]);
	vfree(virt);
	free_pages((unsigned long)area, 2);
}
module_init(lm_init);
module_exit(lm_exit);
