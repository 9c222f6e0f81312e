// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* J7-9.14 (M59): what kmalloc, memset and kzalloc leave in memory, and an array of pointers to objects. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/printk.h>
#include <linux/slab.h>

#define COUNT 5
struct item {
	int a, b, c;
	char letter;
	s64 wide;
};
static struct item *items[COUNT];
static u8 *plain, *zeroed;

static int __init lj_objects_init(void)
{
	int i;

	plain = kmalloc(1024, GFP_KERNEL);
	zeroed = kzalloc(1024, GFP_KERNEL);
	if (!plain || !zeroed)
		goto nomem;
	print_hex_dump(KERN_INFO, "plain ", DUMP_PREFIX_OFFSET, 16, 1, plain, 32, true);
	memset(plain, 'm', 1024);
	print_hex_dump(KERN_INFO, "set ", DUMP_PREFIX_OFFSET, 16, 1, plain, 32, true);
	print_hex_dump(KERN_INFO, "zeroed ", DUMP_PREFIX_OFFSET, 16, 1, zeroed, 32, true);
	pr_info("usable %zu %zu\n", ksize(plain), ksize(zeroed));
	for (i = 0; i < COUNT; i++) {
		items[i] = kzalloc(sizeof(*items[i]), GFP_KERNEL);
		if (!items[i])
			goto nomem;
		items[i]->a = i;
		items[i]->b = i * i;
		items[i]->letter = 'a' + i;
		items[i]->wide = -(1ll << (40 + i));
	}
	for (i = 0; i < COUNT; i++)
		pr_info("%d: %d %d %c %lld, %zu bytes\n", i, items[i]->a, items[i]->b, items[i]->letter, items[i]->wide, ksize(items[i]));
	return 0;
nomem:
	kfree(plain);
	kfree(zeroed);
	for (i = 0; i < COUNT; i++)
		kfree(items[i]);
	return -ENOMEM;
}

static void __exit lj_objects_exit(void)
{
	int i;

	for (i = 0; i < COUNT; i++)
		kfree(items[i]);
	kfree(plain);
	kfree_sensitive(zeroed);
	pr_info("freed\n");
}

module_init(lj_objects_init);
module_exit(lj_objects_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("objects");
