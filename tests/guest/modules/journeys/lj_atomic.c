// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* J7-9.21 (M56): allocating while a spinlock is held. Debian's kernel is built without CONFIG_DEBUG_ATOMIC_SLEEP. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static DEFINE_SPINLOCK(lock);

static int __init lj_atomic_init(void)
{
	void *a, *b, *c;

	spin_lock(&lock);
	a = kmalloc(100, GFP_ATOMIC);
	b = kmalloc(100, GFP_KERNEL);
	c = (void *)__get_free_page(GFP_NOWAIT);
	spin_unlock(&lock);
	pr_info("%d %d %d\n", a != NULL, b != NULL, c != NULL);
	kfree(a);
	kfree(b);
	free_page((unsigned long)c);
	return 0;
}

static void __exit lj_atomic_exit(void)
{
}

module_init(lj_atomic_init);
module_exit(lj_atomic_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("allocation in atomic context");
