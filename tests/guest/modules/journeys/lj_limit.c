// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* J7-9.15, J7-9.16 (M60): ever larger requests until kmalloc refuses; what each wastes. The module is never loaded. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>

static int step = 300000;
module_param(step, int, 0);
MODULE_PARM_DESC(step, "bytes more each time");
static int from = 100;
module_param(from, int, 0);
MODULE_PARM_DESC(from, "bytes of the first request");

static int __init lj_limit_init(void)
{
	size_t n;

	for (n = from;; n += step) {
		void *p = kmalloc(n, GFP_KERNEL);
		size_t have;

		if (!p) {
			pr_info("%zu: no\n", n);
			return -ENOMEM;
		}
		have = ksize(p);
		pr_info("%zu %zu %zu %zu\n", n, have, have - n, (have - n) * 100 / n);
		kfree(p);
	}
}

module_init(lj_limit_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("the largest kmalloc");
