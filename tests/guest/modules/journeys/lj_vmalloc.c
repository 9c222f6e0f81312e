// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* J7-9.20 (M65, M66): vmalloc and its kin, held so that /proc/vmallocinfo has them. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

static int bytes = 5 * 1024 * 1024;
module_param(bytes, int, 0);

static void *plain, *zeroed, *either, *array;

static void say(const char *what, void *p)
{
	pr_info("%s: vmalloc area %d, direct map %d\n", what, (unsigned long)p >= VMALLOC_START && (unsigned long)p < VMALLOC_END, virt_addr_valid(p));
	if (p)
		print_hex_dump(KERN_INFO, " ", DUMP_PREFIX_NONE, 16, 1, p, 16, true);
}

static int __init lj_vmalloc_init(void)
{
	if (bytes < 16) {
		pr_info("16 at least, not %d\n", bytes);
		return -EINVAL;
	}
	plain = vmalloc(10000);
	zeroed = vzalloc(10000);
	either = kvmalloc(bytes, GFP_KERNEL);
	array = kcalloc(1000, sizeof(u64), GFP_KERNEL);
	say("vmalloc", plain);
	say("vzalloc", zeroed);
	say("kvmalloc", either);
	say("kcalloc", array);
	return plain && zeroed && either && array ? 0 : -ENOMEM;
}

static void __exit lj_vmalloc_exit(void)
{
	kvfree(array);
	kvfree(either);
	vfree(zeroed);
	vfree(plain);
	pr_info("freed\n");
}

module_init(lj_vmalloc_init);
module_exit(lj_vmalloc_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("vmalloc");
