// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Frees of what must not be freed, in caches without checks: what Linux notices. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

static char *what = "";
module_param(what, charp, 0);

static char own[64];

static int __init lt_free_init(void)
{
	char *p = kmalloc(40, GFP_KERNEL);

	if (!strcmp(what, "twice")) {
		kfree(p);
		kfree(p);
		p = NULL;
	} else if (!strcmp(what, "large")) {
		char *q = kmalloc(4 * PAGE_SIZE, GFP_KERNEL);

		kfree(q);
		kfree(q);
	} else if (!strcmp(what, "vfree")) {
		vfree((void *)(VMALLOC_END - 5 * PAGE_SIZE + 1));
	} else if (!strcmp(what, "static")) {
		kfree(own);
	} else if (!strcmp(what, "null")) {
		kfree(NULL);
		vfree(NULL);
		kvfree(NULL);
		free_page(0);
		kfree(ZERO_SIZE_PTR);
	}
	kfree(p);
	pr_info("went on\n");
	return 0;
}

static void __exit lt_free_exit(void)
{
}

module_init(lt_free_init);
module_exit(lt_free_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("wrong frees");
