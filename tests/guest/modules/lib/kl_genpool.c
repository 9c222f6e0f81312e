// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/genalloc.h>

static void each(struct gen_pool *pool, struct gen_pool_chunk *chunk, void *data)
{
	pr_info("chunk %#lx-%#lx, %d left\n", chunk->start_addr, chunk->end_addr, (int)atomic_long_read(&chunk->avail));
}
static unsigned long from_top(unsigned long *map, unsigned long size, unsigned long start, unsigned int nr, void *data, struct gen_pool *pool, unsigned long start_addr)
{
	pr_info("algo: %lu bits, %u wanted, data %ld\n", size, nr, (long)data);
	return size - nr;
}
static int __init kc_init(void)
{
	struct gen_pool *pool = gen_pool_create(4, -1);
	struct genpool_data_align align = { .align = 64 };
	unsigned long a, b, c, d;

	pr_info("add %d %d\n", gen_pool_add_virt(pool, 0x10000, 0x80010000, 256, -1), gen_pool_add(pool, 0x20000, 1024, -1));
	pr_info("size %zu avail %zu\n", gen_pool_size(pool), gen_pool_avail(pool));
	a = gen_pool_alloc(pool, 100);
	b = gen_pool_alloc(pool, 1);
	pr_info("%#lx %#lx avail %zu\n", a, b, gen_pool_avail(pool));
	c = gen_pool_alloc(pool, 880);
	d = gen_pool_alloc(pool, 200);
	pr_info("%#lx %#lx avail %zu\n", c, d, gen_pool_avail(pool));
	pr_info("no room %#lx, nothing %#lx\n", gen_pool_alloc(pool, 2000), gen_pool_alloc(pool, 0));
	pr_info("phys %llx %llx\n", (u64)gen_pool_virt_to_phys(pool, 0x10010), (u64)gen_pool_virt_to_phys(pool, 0x50000));
	pr_info("has %d %d\n", gen_pool_has_addr(pool, 0x10000, 256), gen_pool_has_addr(pool, 0x10000, 257));
	gen_pool_for_each_chunk(pool, each, NULL);
	gen_pool_free(pool, a, 100);
	a = gen_pool_alloc_algo(pool, 48, gen_pool_first_fit_align, &align);
	pr_info("aligned %#lx\n", a);
	gen_pool_free(pool, a, 48);
	a = gen_pool_alloc_algo(pool, 48, gen_pool_first_fit_order_align, NULL);
	pr_info("order %#lx\n", a);
	gen_pool_free(pool, a, 48);
	gen_pool_free(pool, b, 1);
	gen_pool_free(pool, c, 880);
	if (d)
		gen_pool_free(pool, d, 200);
	a = gen_pool_alloc(pool, 16);
	b = gen_pool_alloc(pool, 16);
	c = gen_pool_alloc(pool, 64);
	d = gen_pool_alloc(pool, 16);
	gen_pool_free(pool, b, 16);
	gen_pool_set_algo(pool, gen_pool_best_fit, NULL);
	b = gen_pool_alloc(pool, 16);
	pr_info("best %#lx\n", b);
	gen_pool_free(pool, b, 16);
	gen_pool_set_algo(pool, from_top, (void *)7);
	b = gen_pool_alloc(pool, 32);
	pr_info("own %#lx\n", b);
	gen_pool_free(pool, b, 32);
	gen_pool_free(pool, a, 16);
	gen_pool_free(pool, c, 64);
	gen_pool_free(pool, d, 16);
	pr_info("avail %zu\n", gen_pool_avail(pool));
	gen_pool_destroy(pool);
	return 0;
}
KC_ONCE(kc_init, "pools of memory");
