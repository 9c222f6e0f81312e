// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* For bench/module_alloc.mjs: pairs of allocation and free in a loop; what=kmalloc, cache, page, touch (kmalloc with stores), or hold (ever more objects, to `count`). */
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/slab.h>

static char *what = "kmalloc";
module_param(what, charp, 0);
static int count = 1000000;
module_param(count, int, 0);
static int size = 64;
module_param(size, int, 0);

static int __init lb_alloc_init(void)
{
	struct kmem_cache *cache = NULL;
	void **head = NULL;
	int i;

	if (!strcmp(what, "cache"))
		cache = kmem_cache_create("lb_alloc", size, 0, SLAB_NO_MERGE, NULL);
	for (i = 0; i < count; i++) {
		void **p;

		switch (what[0]) {
		case 'k':
			kfree(kmalloc(size, GFP_KERNEL));
			break;
		case 'c':
			kmem_cache_free(cache, kmem_cache_alloc(cache, GFP_KERNEL));
			break;
		case 'p':
			free_page(__get_free_page(GFP_KERNEL));
			break;
		case 't':
			p = kmalloc(size, GFP_KERNEL);
			memset(p, i, size);
			kfree(p);
			break;
		case 'h':
			p = kmalloc(size, GFP_KERNEL);
			if (!p)
				return -ENOMEM;
			*p = head;
			head = p;
			break;
		}
	}
	while (head) {
		void **next = *head;

		kfree(head);
		head = next;
	}
	kmem_cache_destroy(cache);
	return 0;
}
static void __exit lb_alloc_exit(void)
{
}

module_init(lb_alloc_init);
module_exit(lb_alloc_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("allocation loops");
