// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* What SLUB's own checks find: one mistake for each value of bug=. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>

static char *bug = "none";
module_param(bug, charp, 0);
MODULE_PARM_DESC(bug, "which mistake to make");

static bool user = true;
module_param(user, bool, 0);
MODULE_PARM_DESC(user, "with SLAB_STORE_USER");

static struct kmem_cache *cache;
static noinline u8 *take(void)
{
	return kmem_cache_alloc(cache, GFP_KERNEL);
}
static noinline void give(void *p)
{
	kmem_cache_free(cache, p);
}

static int __init lt_slub_init(void)
{
	u8 *p, *q;
	slab_flags_t flags = SLAB_POISON | SLAB_RED_ZONE | SLAB_CONSISTENCY_CHECKS | (user ? SLAB_STORE_USER : 0);

	cache = kmem_cache_create("lt_slub", 100, 0, flags, NULL);
	if (!cache)
		return -ENOMEM;
	p = take();
	q = take();
	print_hex_dump(KERN_INFO, "fresh: ", DUMP_PREFIX_OFFSET, 16, 1, p - 8, 112, false);
	if (!strcmp(bug, "uaf")) {
		give(p);
		memset(p + 10, '!', 5);
		p = take();
	} else if (!strcmp(bug, "right")) {
		p[100] = 0x11;
		give(p);
		p = take();
	} else if (!strcmp(bug, "left")) {
		p[-1] = 0x22;
		give(p);
		p = take();
	} else if (!strcmp(bug, "double")) {
		give(p);
		give(p);
		p = take();
	} else if (!strcmp(bug, "invalid")) {
		give(p + 8);
	} else if (!strcmp(bug, "wrong")) {
		struct kmem_cache *other = kmem_cache_create("lt_other", 100, 0, flags, NULL);

		kmem_cache_free(other, p);
		kmem_cache_destroy(other);
		p = take();
	} else if (!strcmp(bug, "padding")) {
		p[180] = 0x33;
		give(p);
		p = take();
	} else if (!strcmp(bug, "link")) {
		give(p);
		*(u64 *)(p + 104) = 0x4444;
		p = take();
	} else if (!strcmp(bug, "leak")) {
		kmem_cache_destroy(cache);
		cache = NULL;
		pr_info("destroyed\n");
		return -EIO;
	} else if (!strcmp(bug, "kfree")) {
		static u8 mine[64];

		kfree(mine);
	}
	if (p)
		give(p);
	give(q);
	kmem_cache_destroy(cache);
	pr_info("done\n");
	return 0;
}

static void __exit lt_slub_exit(void)
{
}

module_init(lt_slub_init);
module_exit(lt_slub_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("checks of SLUB");
