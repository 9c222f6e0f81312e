// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The page allocator's interface: pages, blocks, struct page, exact sizes, the largest order. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pfn.h>

static int order = 3;
module_param(order, int, 0);
MODULE_PARM_DESC(order, "order of the blocks");

static unsigned int nonzero(const u8 *p, size_t len)
{
	unsigned int n = 0;

	while (len--)
		n += *p++ != 0;
	return n;
}

static void contiguous(const char *what, void *va, unsigned int pages)
{
	unsigned long pfn = PFN_DOWN(virt_to_phys(va));
	unsigned int i, ok = 0;

	for (i = 0; i < pages; i++)
		ok += virt_to_page(va + i * PAGE_SIZE) == pfn_to_page(pfn + i) && page_to_virt(pfn_to_page(pfn + i)) == va + i * PAGE_SIZE &&
		      phys_to_virt(PFN_PHYS(pfn + i)) == va + i * PAGE_SIZE;
	pr_info("%s: aligned %d, valid %d, %u of %u pages in a row, %u bytes not zero\n", what, IS_ALIGNED((unsigned long)va, PAGE_SIZE),
		virt_addr_valid(va), ok, pages, nonzero(va, pages * PAGE_SIZE));
	memset(va, 0xaa, pages * PAGE_SIZE);
}

static void counts(const char *what, struct page *page)
{
	pr_info("%s: count %d, compound %d, head %d, tail %d, nr %lu, reserved %d, slab %d, buddy %d\n", what, page_ref_count(page),
		PageCompound(page), PageHead(page), PageTail(page), compound_nr(page),
		PageReserved(page), PageSlab(page), PageBuddy(page));
}

static int __init lt_pages_init(void)
{
	unsigned long a, b;
	struct page *page, *comp;
	void *exact;

	a = __get_free_page(GFP_KERNEL);
	if (!a)
		return -ENOMEM;
	contiguous("__get_free_page", (void *)a, 1);
	counts("one page", virt_to_page((void *)a));
	free_page(a);

	b = __get_free_pages(GFP_KERNEL | __GFP_ZERO, order);
	if (!b) {
		pr_info("no block of order %d\n", order);
		return -ENOMEM;
	}
	contiguous("__get_free_pages", (void *)b, 1 << order);
	pr_info("aligned to its size: %d\n", IS_ALIGNED(b, PAGE_SIZE << order));
	counts("block's first", virt_to_page((void *)b));
	if (order)
		counts("block's second", virt_to_page((void *)b) + 1);
	free_pages(b, order);

	a = get_zeroed_page(GFP_ATOMIC);
	if (!a)
		return -ENOMEM;
	contiguous("get_zeroed_page", (void *)a, 1);
	free_page(a);

	page = alloc_page(GFP_KERNEL | __GFP_HIGHMEM);
	if (!page)
		return -ENOMEM;
	contiguous("alloc_page", page_address(page), 1);
	get_page(page);
	counts("with get_page", page);
	put_page(page);
	__free_page(page);

	comp = alloc_pages(GFP_KERNEL | __GFP_COMP, 2);
	if (!comp)
		return -ENOMEM;
	contiguous("compound", page_address(comp), 4);
	counts("head", comp);
	counts("tail", comp + 3);
	pr_info("head of tail: %d, virt_to_head_page: %d\n", compound_head(comp + 3) == comp, virt_to_head_page(page_address(comp) + 3 * PAGE_SIZE + 5) == comp);
	put_page(comp + 2);

	exact = alloc_pages_exact(33 * 1024, GFP_KERNEL);
	if (!exact)
		return -ENOMEM;
	contiguous("alloc_pages_exact", exact, 9);
	counts("exact's sixth", virt_to_page(exact) + 5);
	free_pages_exact(exact, 33 * 1024);

	free_page(0);
	pr_info("order 11 with __GFP_NOWARN: %d\n", alloc_pages(GFP_KERNEL | __GFP_NOWARN, 11) == NULL);
	pr_info("order 10: %d\n", (b = __get_free_pages(GFP_KERNEL, 10)) != 0);
	free_pages(b, 10);
	return 0;
}

static void __exit lt_pages_exit(void)
{
}

module_init(lt_pages_init);
module_exit(lt_pages_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("page allocator");
