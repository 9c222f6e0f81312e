// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* J7-9.18 (M64): writes to an object after it was freed, in a cache that asks for checks or in one that the command line has checked; the next allocation finds it. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

static bool nocheck;
module_param(nocheck, bool, 0);

static struct kmem_cache *cache;

struct record {
	char name[40];
	u32 numbers[20];
};

static void fill(struct record *r)
{
	memset(r->name, 'z', 21);
}

static int __init lj_poison_init(void)
{
	struct record *a, *b;

	cache = kmem_cache_create(nocheck ? "lj_quiet" : "lj_poison", sizeof(struct record), 0, nocheck ? SLAB_NO_MERGE : SLAB_POISON | SLAB_RED_ZONE | SLAB_STORE_USER, NULL);
	if (!cache)
		return -ENOMEM;
	a = kmem_cache_alloc(cache, GFP_KERNEL);
	print_hex_dump(KERN_INFO, "fresh ", DUMP_PREFIX_OFFSET, 16, 1, a, 32, true);
	fill(a);
	kmem_cache_free(cache, a);
	fill(a);
	b = kmem_cache_alloc(cache, GFP_KERNEL);
	pr_info("the same %d\n", a == b);
	kmem_cache_free(cache, b);
	return 0;
}

static void __exit lj_poison_exit(void)
{
	kmem_cache_destroy(cache);
}

module_init(lj_poison_init);
module_exit(lj_poison_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("use after free");
