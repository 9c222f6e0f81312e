// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Memory, error pointers, init data, a big .bss. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/err.h>
#include <linux/string.h>

static char big[20000];
static int start __initdata = 41;
static const char banner[] __initconst = "in init memory";
static int *kept;

static void *make(int n)
{
	if (n < 0)
		return ERR_PTR(-ENODEV);
	return kzalloc(n, GFP_KERNEL) ?: ERR_PTR(-ENOMEM);
}

static int __init lt_memory_init(void)
{
	char *p = kmalloc(100, GFP_KERNEL);
	void *q;
	int i, sum = 0;

	if (!p)
		return -ENOMEM;
	strscpy(p, banner, 100);
	pr_info("%s: '%s' (%zu bytes, ksize at least 100: %d)\n", __func__, p, strlen(p), ksize(p) >= 100);
	kfree(p);
	q = make(-1);
	pr_info("IS_ERR %d, PTR_ERR %ld, IS_ERR(NULL) %d, IS_ERR_OR_NULL(NULL) %d\n", IS_ERR(q), PTR_ERR(q), IS_ERR(NULL), IS_ERR_OR_NULL(NULL));
	q = make(3000);
	if (IS_ERR(q))
		return PTR_ERR(q);
	for (i = 0; i < 3000; i++)
		sum |= ((char *)q)[i];
	pr_info("zeroed: %d\n", sum == 0);
	kfree(q);
	kfree(NULL);
	memset(big, 7, sizeof(big));
	for (sum = 0, i = 0; i < sizeof(big); i++)
		sum += big[i];
	pr_info("big sums to %d\n", sum);
	kept = kmalloc(sizeof(*kept), GFP_KERNEL);
	if (!kept)
		return -ENOMEM;
	*kept = start + 1;
	return 0;
}

static void __exit lt_memory_exit(void)
{
	pr_info("kept %d, big[19999] %d\n", *kept, big[19999]);
	kfree(kept);
}

module_init(lt_memory_init);
module_exit(lt_memory_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("memory");
