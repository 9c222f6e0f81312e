// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* One mistake with memory for each name: what --check=memory must find. "clean" makes none. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

static char *bug = "clean";
module_param(bug, charp, 0);

struct node {
	struct list_head list;
	int value;
	char name[20];
};

static volatile u64 sink;
static void *kept;
static LIST_HEAD(nodes);

/* The compiler must not see what is wrong. */
static noinline void *hide(void *p)
{
	OPTIMIZER_HIDE_VAR(p);
	return p;
}
static noinline size_t hidden(size_t n)
{
	OPTIMIZER_HIDE_VAR(n);
	return n;
}
static u8 *get(size_t n)
{
	return hide(kzalloc(hidden(n), GFP_KERNEL));
}

/* Out of bounds. */
static noinline void read_right(void) { u8 *p = get(24); sink = p[hidden(24)]; kfree(p); }
static noinline void write_right(void) { u8 *p = get(24); p[hidden(24)] = 1; kfree(p); }
static noinline void read_left(void) { u8 *p = get(24); sink = p[-(long)hidden(1)]; kfree(p); }
static noinline void write_left(void) { u8 *p = get(24); p[-(long)hidden(3)] = 1; kfree(p); }
static noinline void straddle(void) { u8 *p = get(20); sink = *(u64 *)(p + hidden(16)); kfree(p); }
static noinline void slack(void) { u8 *p = get(40); p[hidden(63)] = 1; kfree(p); }
static noinline void full_class(void) { u8 *p = get(64); p[hidden(64)] = 1; kfree(p); }
static noinline void far_right(void) { u8 *p = get(100); sink = p[hidden(120)]; kfree(p); }
static noinline void memset_over(void) { u8 *p = get(50); memset(p, 7, hidden(51)); kfree(p); }
static noinline void memcpy_from(void) { u8 *p = get(50), *q = get(100); memcpy(q, p, hidden(60)); kfree(p); kfree(q); }
static noinline void memcpy_to(void) { u8 *p = get(50), *q = get(100); memcpy(p, q, hidden(60)); kfree(p); kfree(q); }
static noinline void strcpy_over(void) { char *p = get(8); char *s = kstrdup("far too long", GFP_KERNEL); memcpy(p, s, hidden(strlen(s) + 1)); kfree(p); kfree(s); }
static noinline void unterminated(void) { char *p = get(8); memset(p, 'a', hidden(8)); sink = strlen(p); kfree(p); }
static noinline void large_right(void) { u8 *p = get(20000); p[hidden(20000)] = 1; kfree(p); }
static noinline void vmalloc_tail(void) { u8 *p = hide(vzalloc(hidden(10000))); p[hidden(10001)] = 1; vfree(p); }
static noinline void shrunk(void) { u8 *p = get(60); p = hide(krealloc(p, hidden(40), GFP_KERNEL)); p[hidden(50)] = 1; kfree(p); }
static noinline void cache_right(void)
{
	struct kmem_cache *c = kmem_cache_create("lt_bugs", 56, 0, 0, NULL);
	u8 *p = hide(kmem_cache_zalloc(c, GFP_KERNEL));

	p[hidden(56)] = 1;
	kmem_cache_free(c, p);
	kmem_cache_destroy(c);
}
static noinline void hot_loop(void)
{
	u32 *p = (u32 *)get(4000);
	size_t i, round, n = hidden(1000);

	for (round = 0; round < 200; round++)
		for (i = 0; i < n + (round == 199); i++)
			p[i] += i;
	kfree(p);
}
static noinline void print_string(void) { char *p = get(5); memset(p, 'b', hidden(5)); pr_info("%s\n", p); kfree(p); }
static noinline void sprintf_over(void) { char *p = get(6); snprintf(p, hidden(40), "%d", 12345678); kfree(p); }
static noinline void index_n(void) { u64 *p = hide(kcalloc(hidden(10), sizeof(u64), GFP_KERNEL)); p[hidden(10)] = 1; kfree(p); }

/* After the free. */
static noinline void uaf_read(void) { u8 *p = get(33); kfree(p); sink = ((u8 *)hide(p))[3]; }
static noinline void uaf_write(void) { u8 *p = get(33); kfree(p); ((u8 *)hide(p))[3] = 1; }
static noinline void uaf_realloc(void) { u8 *p = get(33), *q = hide(krealloc(p, hidden(900), GFP_KERNEL)); sink = ((u8 *)hide(p))[0]; kfree(q); }
static noinline void uaf_cache(void)
{
	struct kmem_cache *c = kmem_cache_create("lt_bugs", 56, 0, 0, NULL);
	u8 *p = hide(kmem_cache_zalloc(c, GFP_KERNEL));

	kmem_cache_free(c, p);
	sink = ((u8 *)hide(p))[8];
	kmem_cache_destroy(c);
}
static noinline void uaf_large(void) { u8 *p = get(30000); kfree(p); sink = ((u8 *)hide(p))[29999]; }
static noinline void uaf_vmalloc(void) { u8 *p = hide(vzalloc(hidden(9000))); vfree(p); sink = ((u8 *)hide(p))[5000]; }
static noinline void uaf_page(void) { u8 *p = hide((void *)get_zeroed_page(GFP_KERNEL)); free_page((unsigned long)p); sink = ((u8 *)hide(p))[9]; }
static noinline void uaf_pages(void) { struct page *g = alloc_pages(GFP_KERNEL | __GFP_ZERO, 2); u8 *p = page_address(g); __free_pages(g, 2); ((u8 *)hide(p))[9000] = 1; }
static noinline void uaf_list(void)
{
	struct node *n = (struct node *)get(sizeof(*n));

	list_add(&n->list, &nodes);
	kfree(n);
	list_del(&((struct node *)hide(n))->list);
}
static noinline void uaf_memcpy(void) { u8 *p = get(33), *q = get(33); kfree(p); memcpy(q, hide(p), hidden(33)); kfree(q); }
static noinline void uaf_print(void) { char *p = kstrdup("gone", GFP_KERNEL); kfree(p); pr_info("%s\n", (char *)hide(p)); }
static noinline void uaf_later(void)
{
	u8 *p = get(48);
	int i;

	kfree(p);
	for (i = 0; i < 500; i++)
		kfree(get(48));
	((u8 *)hide(p))[0] = 1;
}

/* Frees. */
static noinline void double_free(void) { u8 *p = get(33); kfree(p); kfree(hide(p)); }
static noinline void double_later(void) { u8 *p = get(33), *q = get(33); kfree(p); kfree(q); kfree(hide(p)); }
static noinline void double_cache(void)
{
	struct kmem_cache *c = kmem_cache_create("lt_bugs", 56, 0, 0, NULL);
	u8 *p = hide(kmem_cache_zalloc(c, GFP_KERNEL));

	kmem_cache_free(c, p);
	kmem_cache_free(c, hide(p));
	kmem_cache_destroy(c);
}
static noinline void double_large(void) { u8 *p = get(30000); kfree(p); kfree(hide(p)); }
static noinline void double_vfree(void) { u8 *p = hide(vzalloc(hidden(9000))); vfree(p); vfree(hide(p)); }
static noinline void double_page(void) { unsigned long p = get_zeroed_page(GFP_KERNEL); free_page(p); free_page((unsigned long)hide((void *)p)); }
static noinline void inside_free(void) { u8 *p = get(33); kfree(hide(p + 8)); kfree(p); }
static noinline void kfree_vmalloc(void) { u8 *p = hide(vzalloc(hidden(9000))); kfree(hide(p)); vfree(p); }
static noinline void vfree_kmalloc(void) { u8 *p = get(33); vfree(hide(p)); kfree(p); }
static noinline void kfree_page(void) { u8 *p = hide((void *)get_zeroed_page(GFP_KERNEL)); kfree(hide(p)); free_page((unsigned long)p); }

/* Never written. */
static noinline void uninit_int(void) { int *p = hide(kmalloc(hidden(40), GFP_KERNEL)); p[0] = 1; sink = p[hidden(5)]; kfree(p); }
static noinline void uninit_cache(void)
{
	struct kmem_cache *c = kmem_cache_create("lt_bugs", 56, 0, 0, NULL);
	u64 *p = hide(kmem_cache_alloc(c, GFP_KERNEL));

	sink = p[hidden(2)];
	kmem_cache_free(c, p);
	kmem_cache_destroy(c);
}
static noinline void uninit_page(void) { u8 *p = hide((void *)__get_free_page(GFP_KERNEL)); p[0] = 1; sink = p[hidden(77)]; free_page((unsigned long)p); }
static noinline void uninit_vmalloc(void) { u8 *p = hide(vmalloc(hidden(5000))); sink = p[hidden(4500)]; vfree(p); }
static noinline void uninit_grown(void) { u8 *p = get(8); p = hide(krealloc(p, hidden(12), GFP_KERNEL)); kfree(p); p = hide(kmalloc(hidden(12), GFP_KERNEL)); memset(p, 1, hidden(4)); sink = p[hidden(9)]; kfree(p); }

/* Left behind. */
static noinline void leak(void) { hide(kmalloc(hidden(72), GFP_KERNEL)); }
static noinline void leak_large(void) { hide(kmalloc(hidden(50000), GFP_KERNEL)); }
static noinline void leak_vmalloc(void) { hide(vmalloc(hidden(5000))); }
static noinline void leak_pages(void) { hide(alloc_pages(GFP_KERNEL, 1)); }
static noinline void leak_ring(void)
{
	void **a = (void **)get(32), **b = (void **)get(32);

	a[0] = b;
	b[0] = a;
}
static noinline void leak_kept(void) { kept = get(24); }
static noinline void leak_string(void) { hide(kasprintf(GFP_KERNEL, "text %d", 5)); }

static noinline void clean(void)
{
	struct kmem_cache *c = kmem_cache_create("lt_bugs", 56, 0, 0, NULL);
	struct node *n, *next;
	u8 *p, *q;
	int i;

	for (i = 0; i < 300; i++) {
		n = kmalloc(sizeof(*n), GFP_KERNEL);
		n->value = i;
		snprintf(n->name, sizeof(n->name), "node %d", i);
		list_add_tail(&n->list, &nodes);
	}
	list_for_each_entry_safe(n, next, &nodes, list) {
		sink += n->value + strlen(n->name);
		list_del(&n->list);
		kfree(n);
	}
	p = kmalloc(100, GFP_KERNEL);
	memset(p, 1, 100);
	p = krealloc(p, 1000, GFP_KERNEL);
	memset(p + 100, 2, 900);
	q = kmemdup(p, 1000, GFP_KERNEL);
	sink = memcmp(p, q, 1000) + q[999];
	kfree(p);
	kfree_sensitive(q);
	p = kmem_cache_alloc(c, GFP_KERNEL);
	memset(p, 3, 56);
	sink = p[55];
	kmem_cache_free(c, p);
	kmem_cache_destroy(c);
	p = vmalloc(9000);
	memset(p, 4, 9000);
	sink = p[8999];
	vfree(p);
	p = (u8 *)__get_free_pages(GFP_KERNEL, 3);
	memset(p, 5, PAGE_SIZE << 3);
	sink = p[(PAGE_SIZE << 3) - 1];
	free_pages((unsigned long)p, 3);
	p = alloc_pages_exact(10000, GFP_KERNEL | __GFP_ZERO);
	sink = p[9999];
	free_pages_exact(p, 10000);
	kept = kstrdup("freed at the end", GFP_KERNEL);
}

#define B(name) { #name, name }
static const struct {
	const char *name;
	void (*run)(void);
} bugs[] = {
	B(clean), B(read_right), B(write_right), B(read_left), B(write_left), B(straddle), B(slack), B(full_class), B(far_right), B(memset_over),
	B(memcpy_from), B(memcpy_to), B(strcpy_over), B(unterminated), B(large_right), B(vmalloc_tail), B(shrunk), B(cache_right), B(hot_loop),
	B(print_string), B(sprintf_over), B(index_n), B(uaf_read), B(uaf_write), B(uaf_realloc), B(uaf_cache), B(uaf_large), B(uaf_vmalloc),
	B(uaf_page), B(uaf_pages), B(uaf_list), B(uaf_memcpy), B(uaf_print), B(uaf_later), B(double_free), B(double_later), B(double_cache),
	B(double_large), B(double_vfree), B(double_page), B(inside_free), B(kfree_vmalloc), B(vfree_kmalloc), B(kfree_page), B(uninit_int),
	B(uninit_cache), B(uninit_page), B(uninit_vmalloc), B(uninit_grown), B(leak), B(leak_large), B(leak_vmalloc), B(leak_pages), B(leak_ring),
	B(leak_kept), B(leak_string),
};

static int __init lt_bugs_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(bugs); i++)
		if (!strcmp(bugs[i].name, bug)) {
			bugs[i].run();
			pr_info("%s is done\n", bug);
			return 0;
		}
	return -EINVAL;
}

static void __exit lt_bugs_exit(void)
{
	if (!strcmp(bug, "clean"))
		kfree(kept);
}

module_init(lt_bugs_init);
module_exit(lt_bugs_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("a catalogue of mistakes with memory");
