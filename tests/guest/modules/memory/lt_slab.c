// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* kmalloc and its kin, caches with and without constructor. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

static bool keep;
module_param(keep, bool, 0);
MODULE_PARM_DESC(keep, "destroy a cache while an object is in use");

static bool waste;
module_param(waste, bool, 0);
MODULE_PARM_DESC(waste, "print the table of waste and hit the limit");

struct thing {
	u64 stamp;
	char name[48];
	u32 tail[5];
};

static unsigned int built;

static void thing_ctor(void *p)
{
	struct thing *t = p;

	memset(t, 0, sizeof(*t));
	t->stamp = 0x1234567890abcdefULL;
	strscpy(t->name, "constructed", sizeof(t->name));
	built++;
}

static unsigned int nonzero(const u8 *p, size_t len)
{
	unsigned int n = 0;

	while (len--)
		n += *p++ != 0;
	return n;
}

static int sizes(void)
{
	static const size_t ask[] = { 1, 8, 9, 16, 17, 33, 64, 65, 96, 97, 128, 129, 192, 193, 256, 257, 512, 513, 1024, 1025, 2048, 2049, 4096,
				      4097, 8192, 8193, 16384, 16385, 100000, 262144, 262145 };
	int i;

	for (i = 0; i < ARRAY_SIZE(ask); i++) {
		void *p = kmalloc(ask[i], GFP_KERNEL);

		if (!p)
			return -ENOMEM;
		pr_info("kmalloc(%zu): ksize %zu, zero %d, aligned %d, size round-up %zu\n", ask[i], ksize(p), nonzero(p, ask[i]) == 0,
			IS_ALIGNED((unsigned long)p, 1ul << __ffs(ask[i])), kmalloc_size_roundup(ask[i]));
		memset(p, 0x77, ask[i]);
		kfree(p);
	}
	return 0;
}

static int table(void)
{
	size_t n, actual;

	for (n = 100;; n += 200000) {
		void *p = kmalloc(n, GFP_KERNEL);

		if (!p) {
			pr_info("kmalloc fail, %zu\n", n);
			return 0;
		}
		actual = ksize(p);
		pr_info("%7zu : %7zu : %7zu : %3zu%%\n", n, actual, actual - n, (actual - n) * 100 / n);
		kfree(p);
	}
}

static int others(void)
{
	char *p, *q;
	u64 *v;
	void *zero = kmalloc(0, GFP_KERNEL);

	pr_info("kmalloc(0) is %px, ksize %zu, ZERO_OR_NULL %d\n", zero, ksize(zero), ZERO_OR_NULL_PTR(zero));
	kfree(zero);
	p = kstrdup("a string of some length", GFP_KERNEL);
	q = kmemdup(p, 9, GFP_KERNEL);
	if (!p || !q)
		return -ENOMEM;
	q[8] = 0;
	pr_info("kstrdup '%s', kmemdup '%s'\n", p, q);
	p = krealloc(p, 3000, GFP_KERNEL | __GFP_ZERO);
	if (!p)
		return -ENOMEM;
	pr_info("krealloc up '%s', ksize %zu, rest zero %d\n", p, ksize(p), nonzero(p + 24, 2976) == 0);
	p = krealloc(p, 10, GFP_KERNEL);
	pr_info("krealloc down: ksize %zu\n", ksize(p));
	p = krealloc(p, 0, GFP_KERNEL);
	pr_info("krealloc to 0: %px\n", p);
	p = krealloc(NULL, 77, GFP_KERNEL);
	pr_info("krealloc of NULL: ksize %zu\n", ksize(p));
	kfree_sensitive(p);
	kfree_sensitive(NULL);
	kfree(q);
	v = kcalloc(1000, sizeof(u64), GFP_KERNEL);
	pr_info("kcalloc zero %d, kcalloc of too much %d\n", v && nonzero((u8 *)v, 8000) == 0, kcalloc(SIZE_MAX / 4, 8, GFP_KERNEL) == NULL);
	kfree(v);
	v = kzalloc_node(40, GFP_KERNEL, NUMA_NO_NODE);
	pr_info("kzalloc_node %zu, kmalloc_array %d\n", ksize(v), kmalloc_array(SIZE_MAX / 2, 3, GFP_KERNEL) == NULL);
	kfree(v);
	p = kasprintf(GFP_KERNEL, "%s-%d", "number", 17);
	pr_info("kasprintf '%s' ksize %zu\n", p, ksize(p));
	kfree(p);
	p = kmalloc(100, GFP_KERNEL_ACCOUNT);
	q = kmalloc(100, GFP_KERNEL | __GFP_RECLAIMABLE);
	pr_info("accounted %zu, reclaimable %zu\n", ksize(p), ksize(q));
	kfree(p);
	kfree(q);
	return 0;
}

static struct kmem_cache *leaky;
static void *leaked;

static int caches(void)
{
	struct kmem_cache *plain, *ctor, *aligned, *merged;
	struct thing *a, *b;
	void *many[16];
	int i;

	plain = kmem_cache_create("lt_plain", sizeof(struct thing), 0, SLAB_NO_MERGE, NULL);
	ctor = kmem_cache_create("lt_ctor", sizeof(struct thing), 0, 0, thing_ctor);
	aligned = kmem_cache_create("lt_aligned", 100, 256, SLAB_HWCACHE_ALIGN | SLAB_NO_MERGE, NULL);
	if (!plain || !ctor || !aligned)
		return -ENOMEM;
	pr_info("sizes %u %u %u\n", kmem_cache_size(plain), kmem_cache_size(ctor), kmem_cache_size(aligned));
	a = kmem_cache_alloc(plain, GFP_KERNEL);
	pr_info("plain: zero %d, ksize %zu\n", nonzero((u8 *)a, sizeof(*a)) == 0, ksize(a));
	kmem_cache_free(plain, a);
	a = kmem_cache_zalloc(plain, GFP_ATOMIC);
	kfree(a);
	pr_info("built before the first allocation: %u\n", built);
	a = kmem_cache_alloc(ctor, GFP_KERNEL);
	pr_info("ctor: '%s' %llx, built %u\n", a->name, a->stamp, built);
	strscpy(a->name, "used", sizeof(a->name));
	kmem_cache_free(ctor, a);
	b = kmem_cache_alloc(ctor, GFP_KERNEL);
	pr_info("again: same %d, '%s', built %u\n", a == b, b->name, built);
	kmem_cache_free(ctor, b);
	for (i = 0; i < 16; i++) {
		many[i] = kmem_cache_alloc(aligned, GFP_KERNEL);
		if (!many[i] || !IS_ALIGNED((unsigned long)many[i], 256))
			pr_info("object %d is not aligned\n", i);
	}
	pr_info("bulk\n");
	kmem_cache_free_bulk(aligned, 16, many);
	i = kmem_cache_alloc_bulk(aligned, GFP_KERNEL, 16, many);
	pr_info("bulk got %d\n", i);
	kmem_cache_free_bulk(aligned, i, many);
	pr_info("shrink %d\n", kmem_cache_shrink(aligned));
	merged = kmem_cache_create("lt_merged", 1000, 0, 0, NULL);
	pr_info("merged size %u\n", kmem_cache_size(merged));
	kmem_cache_destroy(merged);
	kmem_cache_destroy(plain);
	kmem_cache_destroy(ctor);
	kmem_cache_destroy(aligned);
	kmem_cache_destroy(NULL);
	return 0;
}

static int __init lt_slab_init(void)
{
	int rc = sizes();

	if (waste)
		return table();
	if (!rc)
		rc = others();
	if (!rc)
		rc = caches();
	if (!rc && keep) {
		leaky = kmem_cache_create("lt_leaky", 200, 0, SLAB_NO_MERGE, NULL);
		leaked = kmem_cache_alloc(leaky, GFP_KERNEL);
	}
	return rc;
}

static void __exit lt_slab_exit(void)
{
	if (keep) {
		kmem_cache_destroy(leaky);
		pr_info("after the destruction\n");
	}
}

module_init(lt_slab_init);
module_exit(lt_slab_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("slab allocator");
