// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Takes blocks of one order until there are none, says what failed, gives all back. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>

static int order = 10;
module_param(order, int, 0);

static bool quiet;
module_param(quiet, bool, 0);

static bool atomic;
module_param(atomic, bool, 0);

static int __init lt_exhaust_init(void)
{
	gfp_t gfp = (atomic ? GFP_ATOMIC : GFP_KERNEL | __GFP_NORETRY) | (quiet ? __GFP_NOWARN : 0);
	struct page *list = NULL, *page;
	unsigned long blocks = 0;
	struct sysinfo before, after;

	si_meminfo(&before);
	while ((page = alloc_pages(gfp, order))) {
		page->private = (unsigned long)list;
		list = page;
		blocks++;
	}
	pr_info("order %d: some %d, most of the memory %d\n", order, blocks > 0, (blocks << order) > before.freeram / 2);
	while ((page = list)) {
		list = (struct page *)page->private;
		page->private = 0;
		__free_pages(page, order);
	}
	si_meminfo(&after);
	pr_info("total %d, unit %u\n", before.totalram == after.totalram, after.mem_unit);
	return 0;
}

static void __exit lt_exhaust_exit(void)
{
}

module_init(lt_exhaust_init);
module_exit(lt_exhaust_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("page allocation failure");
