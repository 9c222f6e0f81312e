// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/scatterlist.h>
#include <linux/slab.h>

static int __init kc_init(void)
{
	struct scatterlist one[3], *sg;
	struct sg_table table;
	struct sg_mapping_iter miter;
	u8 *page = (u8 *)__get_free_pages(GFP_KERNEL, 1), buf[64];
	struct page *pages[2];
	int i, n = 0;
	size_t k;

	for (i = 0; i < 8192; i++)
		page[i] = i >> 4;
	sg_init_table(one, 3);
	sg_set_buf(&one[0], page + 16, 20);
	sg_set_buf(&one[1], page + 4090, 12);
	sg_set_buf(&one[2], page + 100, 30);
	pr_info("nents %d, for 25: %d, for 99: %d\n", sg_nents(one), sg_nents_for_len(one, 25), sg_nents_for_len(one, 99));
	pr_info("last %d, next %d\n", (int)(sg_last(one, 3) - one), sg_next(&one[2]) == NULL);
	k = sg_copy_to_buffer(one, 3, buf, 64);
	pr_info("to %zu: %*ph\n", k, 62, buf);
	k = sg_pcopy_to_buffer(one, 3, buf, 10, 15);
	pr_info("part %zu: %*ph\n", k, 10, buf);
	memset(buf, 0xee, 64);
	k = sg_pcopy_from_buffer(one, 3, buf, 14, 18);
	pr_info("from %zu: %*ph\n", k, 16, page + 4088);
	k = sg_zero_buffer(one, 3, 4, 20);
	pr_info("zero %zu: %*ph\n", k, 16, page + 4088);
	sg_miter_start(&miter, one, 3, SG_MITER_FROM_SG);
	while (sg_miter_next(&miter)) {
		pr_info("piece of %zu at %zu\n", miter.length, (size_t)((u8 *)miter.addr - page));
		if (n++ == 0)
			miter.consumed = 5;
	}
	sg_miter_stop(&miter);
	pr_info("alloc %d\n", sg_alloc_table(&table, 400, GFP_KERNEL));
	n = 0;
	for_each_sg(table.sgl, sg, table.nents, i)
		n += sg_is_last(sg) ? 1000 : 1;
	pr_info("nents %u orig %u walked %d\n", table.nents, table.orig_nents, n);
	sg_free_table(&table);
	pr_info("freed %d\n", table.sgl == NULL);
	pages[0] = virt_to_page(page);
	pages[1] = virt_to_page(page + 4096);
	pr_info("pages %d", sg_alloc_table_from_pages(&table, pages, 2, 10, 8000, GFP_KERNEL));
	pr_cont(": %u entries, %u at %u\n", table.nents, table.sgl->length, table.sgl->offset);
	sg_free_table(&table);
	pages[1] = virt_to_page(page);
	pr_info("apart %d", sg_alloc_table_from_pages(&table, pages, 2, 10, 8000, GFP_KERNEL));
	pr_cont(": %u entries, %u at %u, %u at %u\n", table.nents, table.sgl->length, table.sgl->offset, table.sgl[1].length, table.sgl[1].offset);
	sg_free_table(&table);
	sg_init_one(one, page + 7, 9);
	pr_info("one %u at %u\n", one[0].length, one[0].offset);
	free_pages((unsigned long)page, 1);
	return 0;
}
KC_ONCE(kc_init, "scatterlists");
