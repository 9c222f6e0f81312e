// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* J7-9.17, J7-9.27 (M62): life of a cache of one's own, with a constructor or without; an object may be left when it is destroyed. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

static bool ctor = true;
module_param(ctor, bool, 0);
static int objects = 3;
module_param(objects, int, 0);
static bool leave;
module_param(leave, bool, 0);

struct context {
	u32 tx, rx, errors;
	char config[96];
	u64 big[25];
};
static struct kmem_cache *cache;
static void *held[512];
static unsigned int built;

static void context_ctor(void *p)
{
	struct context *c = p;

	memset(c, 0, sizeof(*c));
	c->errors = 7;
	strscpy(c->config, "as constructed", sizeof(c->config));
	built++;
}

static int __init lj_cache_init(void)
{
	struct context *c;
	int i;

	if (objects < 1 || objects > ARRAY_SIZE(held))
		return -EINVAL;
	pr_info("%zu bytes\n", sizeof(*c));
	cache = kmem_cache_create("lj_context", sizeof(*c), sizeof(long), SLAB_POISON | SLAB_RED_ZONE | SLAB_HWCACHE_ALIGN, ctor ? context_ctor : NULL);
	if (!cache)
		return -ENOMEM;
	for (i = 0; i < objects; i++)
		held[i] = kmem_cache_alloc(cache, GFP_KERNEL);
	c = held[0];
	pr_info("built: as many as there are objects or more %d\n", ctor ? built >= objects : built == 0);
	print_hex_dump(KERN_INFO, "object ", DUMP_PREFIX_OFFSET, 16, 1, c, 48, true);
	pr_info("size %u, ksize %zu\n", kmem_cache_size(cache), ksize(c));
	return 0;
}

static void __exit lj_cache_exit(void)
{
	int i;

	for (i = leave; i < objects; i++)
		kmem_cache_free(cache, held[i]);
	kmem_cache_destroy(cache);
	pr_info("destroyed\n");
}

module_init(lj_cache_init);
module_exit(lj_cache_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("a cache of one's own");
