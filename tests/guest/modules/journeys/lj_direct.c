// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* J7-9.10 (M52): the direct map. Frames from the first of RAM on, then a block: addresses, frames and struct pages go up together. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pfn.h>

static int order = 3;
module_param(order, int, 0);
MODULE_PARM_DESC(order, "order of the block");

static unsigned long block;

static unsigned int rows(void *from, unsigned int pages)
{
	unsigned long pfn = PHYS_PFN(virt_to_phys(from));
	unsigned int i, good = 0;

	for (i = 0; i < pages; i++, from += PAGE_SIZE)
		good += PHYS_PFN(virt_to_phys(from)) == pfn + i && phys_to_virt(PFN_PHYS(pfn + i)) == from && virt_to_page(from) == pfn_to_page(pfn + i) &&
			(unsigned long)from == PAGE_OFFSET + PFN_PHYS(pfn + i - PHYS_PFN(virt_to_phys((void *)PAGE_OFFSET)));
	return good;
}

static int __init lj_direct_init(void)
{
	pr_info("from PAGE_OFFSET: %u of 5\n", rows((void *)PAGE_OFFSET, 5));
	block = __get_free_pages(GFP_KERNEL, order);
	if (!block)
		return -ENOMEM;
	pr_info("order %d: %u of %u, inside the direct map %d, aligned %d\n", order, rows((void *)block, 1 << order), 1 << order,
		block >= PAGE_OFFSET && block < (unsigned long)high_memory, IS_ALIGNED(block, PAGE_SIZE << order));
	return 0;
}

static void __exit lj_direct_exit(void)
{
	free_pages(block, order);
}

module_init(lj_direct_init);
module_exit(lj_direct_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("direct map");
