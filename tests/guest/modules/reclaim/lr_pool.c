// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Memory pools: elements held back, functions of one's own, growing, shrinking, and waiting for an element. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

static char *what = "";
module_param(what, charp, 0);

static int fail, allocs, frees;
static void *own_alloc(gfp_t gfp, void *data)
{
	allocs++;
	if (fail == 1 || (fail > 1 && allocs >= fail))
		return NULL;
	return kmalloc((long)data, gfp);
}
static void own_free(void *element, void *data)
{
	frees++;
	kfree(element);
}
static void show(const char *when, mempool_t *pool)
{
	pr_info("%s: min %d, now %d, saturated %d, calls %d and %d\n", when, pool->min_nr, pool->curr_nr, mempool_is_saturated(pool), allocs, frees);
}

static void basic(void)
{
	mempool_t *pool = mempool_create(4, own_alloc, own_free, (void *)100L);
	void *e[8];
	int i;

	show("made", pool);
	e[0] = mempool_alloc(pool, GFP_KERNEL);
	show("one from the function", pool);
	fail = 1;
	for (i = 1; i < 5; i++)
		e[i] = mempool_alloc(pool, GFP_ATOMIC);
	show("four from the reserve", pool);
	pr_info("one more in atomic context %d\n", mempool_alloc(pool, GFP_ATOMIC) != NULL);
	pr_info("preallocated %d\n", mempool_alloc_preallocated(pool) != NULL);
	for (i = 0; i < 5; i++)
		mempool_free(e[i], pool);
	show("all back", pool);
	mempool_free(NULL, pool);
	fail = 0;
	pr_info("resize to 6: %d\n", mempool_resize(pool, 6));
	show("grown", pool);
	pr_info("resize to 2: %d\n", mempool_resize(pool, 2));
	show("shrunk", pool);
	fail = 1;
	pr_info("resize to 5 without memory: %d\n", mempool_resize(pool, 5));
	show("wants more", pool);
	fail = 0;
	e[0] = kmalloc(100, GFP_KERNEL);
	mempool_free(e[0], pool);
	show("a gift", pool);
	mempool_destroy(pool);
	pr_info("end: calls %d and %d\n", allocs, frees);
	mempool_destroy(NULL);
}

static void none(void)
{
	mempool_t *pool;

	fail = 3;
	pool = mempool_create(4, own_alloc, own_free, (void *)100L);
	pr_info("pool %d, calls %d and %d\n", pool != NULL, allocs, frees);
}

static void ready(void)
{
	struct kmem_cache *cache = kmem_cache_create("lr_pool", 120, 0, 0, NULL);
	mempool_t *slab = mempool_create_slab_pool(3, cache), *km = mempool_create_kmalloc_pool(2, 300), *pg = mempool_create_page_pool(2, 1),
		  *kv = mempool_create_kvmalloc_pool(1, 5 * PAGE_SIZE), in;
	void *a = mempool_alloc(slab, GFP_KERNEL), *b = mempool_alloc(km, GFP_KERNEL), *d = mempool_alloc(kv, GFP_KERNEL);
	struct page *c = mempool_alloc(pg, GFP_KERNEL);

	pr_info("pools %d %d %d %d\n", !!slab, !!km, !!pg, !!kv);
	pr_info("sizes: slab %zu, kmalloc %zu, page %d, kvmalloc %d\n", ksize(a), ksize(b), c != NULL && page_ref_count(c) == 1, d != NULL);
	mempool_free(a, slab);
	mempool_free(b, km);
	mempool_free(c, pg);
	mempool_free(d, kv);
	memset(&in, 0, sizeof(in));
	pr_info("initialised %d\n", mempool_initialized(&in));
	pr_info("init %d\n", mempool_init_kmalloc_pool(&in, 3, 64));
	pr_info("initialised %d\n", mempool_initialized(&in));
	show("embedded", &in);
	mempool_exit(&in);
	pr_info("initialised %d, left %d\n", mempool_initialized(&in), in.curr_nr);
	mempool_exit(&in);
	mempool_destroy(slab);
	mempool_destroy(km);
	mempool_destroy(pg);
	mempool_destroy(kv);
	kmem_cache_destroy(cache);
}

static mempool_t *shared;
static void *kept;
static int giver(void *arg)
{
	msleep(100);
	pr_info("giving one back\n");
	mempool_free(kept, shared);
	return 0;
}
static void waiting(void)
{
	void *e;

	shared = mempool_create(1, own_alloc, own_free, (void *)64L);
	fail = 1;
	kept = mempool_alloc(shared, GFP_KERNEL);
	kthread_run(giver, NULL, "lr_giver");
	e = mempool_alloc(shared, GFP_KERNEL);
	pr_info("the same element %d\n", e == kept);
	mempool_free(e, shared);
	fail = 0;
	mempool_destroy(shared);
	msleep(50);
}

static int __init lr_pool_init(void)
{
	if (!strcmp(what, "basic"))
		basic();
	if (!strcmp(what, "none"))
		none();
	if (!strcmp(what, "ready"))
		ready();
	if (!strcmp(what, "wait"))
		waiting();
	return 0;
}

static void __exit lr_pool_exit(void)
{
}

module_init(lr_pool_init);
module_exit(lr_pool_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("memory pools");
