// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * J7-9.11, J7-9.12 (M53, M54, M57): blocks split and merge, and what sizes that are no power of two cost. Free memory is counted over many blocks, so that
 * what CPUs keep for themselves does not matter.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pfn.h>

#define BLOCKS 300
#define ODD (132 * 1024)

static void *blocks[BLOCKS];

static long free_now(void)
{
	struct sysinfo info;

	si_meminfo(&info);
	return info.freeram;
}
/* Pages for each block, when they are about `want`. */
static void say(const char *what, long pages, long want)
{
	long each = pages / BLOCKS;

	/* A CPU may keep some thousand single pages. */
	if (abs(pages - want * BLOCKS) < (want ? 4 : 25) * BLOCKS)
		each = want;
	pr_info("%s: %ld pages each\n", what, each);
}

static int __init lj_buddy_init(void)
{
	unsigned int i, n, buddies = 0;
	long before = free_now();

	for (i = 0; i < BLOCKS; i++) {
		blocks[i] = (void *)__get_free_pages(GFP_KERNEL, get_order(ODD));
		if (!blocks[i])
			return -ENOMEM;
	}
	say("132 KB from alloc_pages", before - free_now(), 64);
	for (i = 1; i < BLOCKS; i++) {
		unsigned long a = PHYS_PFN(virt_to_phys(blocks[i - 1])), b = PHYS_PFN(virt_to_phys(blocks[i]));

		buddies += (a ^ b) == 64;
	}
	pr_info("order %d, halves of one block follow each other: %d\n", get_order(ODD), buddies > BLOCKS / 4);
	for (i = 0; i < BLOCKS; i++)
		free_pages((unsigned long)blocks[i], get_order(ODD));
	say("given back", before - free_now(), 0);

	for (i = 0; i < BLOCKS; i++) {
		blocks[i] = alloc_pages_exact(ODD, GFP_KERNEL);
		if (!blocks[i])
			return -ENOMEM;
	}
	say("132 KB from alloc_pages_exact", before - free_now(), 33);
	for (i = 0; i < BLOCKS; i++)
		free_pages_exact(blocks[i], ODD);
	say("given back", before - free_now(), 0);

	/* Merged: blocks of the largest order can be had again. */
	for (n = 0; n < 5; n++)
		blocks[n] = (void *)__get_free_pages(GFP_KERNEL, 10);
	for (i = 0; i < n; i++)
		pr_info("4 MB block %u: %d\n", i, blocks[i] != NULL && IS_ALIGNED((unsigned long)blocks[i], PAGE_SIZE << 10));
	for (i = 0; i < n; i++)
		free_pages((unsigned long)blocks[i], 10);

	for (n = 0; n < 3; n++) {
		unsigned int row = 0;

		blocks[n] = alloc_pages_exact(33 * 1024, GFP_KERNEL);
		if (!blocks[n])
			return -ENOMEM;
		for (i = 0; i < 9; i++)
			row += PHYS_PFN(virt_to_phys(blocks[n] + i * PAGE_SIZE)) == PHYS_PFN(virt_to_phys(blocks[n])) + i && page_ref_count(virt_to_page(blocks[n] + i * PAGE_SIZE)) == 1;
		pr_info("%u: 33 KB in %u pages of 9\n", n, row);
	}
	return 0;
}

static void __exit lj_buddy_exit(void)
{
	unsigned int n;

	for (n = 0; n < 3; n++)
		free_pages_exact(blocks[n], 33 * 1024);
	pr_info("freed\n");
}

module_init(lj_buddy_init);
module_exit(lj_buddy_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("splitting and merging");
