// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* vmalloc and its kin: where the memory lies, what it holds, how it is listed. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

static void *kept;

static unsigned int nonzero(const u8 *p, size_t len)
{
	unsigned int n = 0;

	while (len--)
		n += *p++ != 0;
	return n;
}

static void show(const char *what, void *p, size_t len)
{
	pr_info("%s: %d, vmalloc %d, in range %d, direct map %d, %u bytes not zero\n", what, p != NULL,
		is_vmalloc_addr(p), (unsigned long)p >= VMALLOC_START && (unsigned long)p < VMALLOC_END, virt_addr_valid(p), nonzero(p, len));
}

static int __init lt_vmalloc_init(void)
{
	void *a = vmalloc(10000), *b = vzalloc(10000), *c, *d;
	struct page *pages[3];
	int i;

	show("vmalloc", a, 10000);
	show("vzalloc", b, 10000);
	memset(a, 0x55, 10000);
	memset(b, 0x66, 10000);
	pr_info("aligned %d\n", IS_ALIGNED((unsigned long)a | (unsigned long)b, PAGE_SIZE));
	pr_info("contents %d\n", ((u8 *)a)[9999] == 0x55 && ((u8 *)b)[0] == 0x66);
	pages[0] = vmalloc_to_page(a);
	pages[1] = vmalloc_to_page(a + 5000);
	pages[2] = vmalloc_to_page(a + 9999);
	pr_info("pages %d %d %d, pfn agrees %d\n", ((u8 *)page_address(pages[0]))[0], ((u8 *)page_address(pages[1]))[4095],
		((u8 *)page_address(pages[2]))[1], vmalloc_to_pfn(a) == page_to_pfn(pages[0]));
	c = vmap(pages, 3, VM_MAP, PAGE_KERNEL);
	show("vmap", c, 0);
	for (i = 0; i < 10000; i++)
		if (((u8 *)c)[i] != 0x55)
			break;
	pr_info("the same through vmap: %d\n", i);
	((u8 *)c)[4096] = 1;
	pr_info("and back: %d\n", ((u8 *)a)[4096]);
	vunmap(c);
	vfree(a);
	vfree(b);
	vfree(NULL);
	c = kvmalloc(4096, GFP_KERNEL);
	d = kvmalloc(5 << 20, GFP_KERNEL);
	show("kvmalloc small", c, 4096);
	show("kvmalloc big", d, 5 << 20);
	kvfree(c);
	kvfree(d);
	c = kvzalloc(100, GFP_KERNEL);
	d = kvcalloc(3000, 2048, GFP_KERNEL);
	show("kvzalloc", c, 100);
	show("kvcalloc", d, 3000 * 2048);
	kvfree(c);
	kvfree(d);
	kvfree(NULL);
	c = __vmalloc(3 * PAGE_SIZE, GFP_KERNEL | __GFP_ZERO);
	show("__vmalloc", c, 3 * PAGE_SIZE);
	vfree(c);
	c = vmalloc_user(PAGE_SIZE);
	show("vmalloc_user", c, PAGE_SIZE);
	vfree(c);
	c = vmalloc_32(PAGE_SIZE);
	show("vmalloc_32", c, 0);
	vfree(c);
	c = vmalloc_node(PAGE_SIZE, NUMA_NO_NODE);
	show("vmalloc_node", c, 0);
	vfree(c);
	pr_info("nothing: %d, too much: %d\n", vmalloc(0) == NULL, __vmalloc(1ul << 40, GFP_KERNEL | __GFP_NOWARN) == NULL);
	kept = vmalloc(7 * PAGE_SIZE);
	return kept ? 0 : -ENOMEM;
}

static void __exit lt_vmalloc_exit(void)
{
	vfree(kept);
}

module_init(lt_vmalloc_init);
module_exit(lt_vmalloc_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("vmalloc");
