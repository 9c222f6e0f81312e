// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* For bench/module_check.mjs: what module code does with memory that it was given, `rounds` times over. */
#include <linux/list.h>
#include <linux/list_sort.h>
#include <linux/module.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

static char *what = "list";
module_param(what, charp, 0);
static int rounds = 1;
module_param(rounds, int, 0);

struct item {
	struct list_head list;
	struct rb_node node;
	refcount_t users;
	u32 key;
	u64 value;
	char name[24];
};
#define ITEMS 500
static u32 seed = 1;
static noinline u32 next_key(void)
{
	seed = seed * 1103515245 + 12345;
	return seed >> 4;
}

/* A list of objects: made, searched, changed, taken apart. */
static noinline u64 do_list(void)
{
	struct item *it, *tmp;
	LIST_HEAD(head);
	u64 sum = 0;
	int i;

	for (i = 0; i < ITEMS; i++) {
		it = kzalloc(sizeof(*it), GFP_KERNEL);
		it->key = next_key() % ITEMS;
		it->value = i;
		list_add_tail(&it->list, &head);
	}
	for (i = 0; i < 50; i++)
		list_for_each_entry(it, &head, list) {
			if (it->key == i)
				it->value++;
			sum += it->value;
		}
	list_for_each_entry_safe(it, tmp, &head, list) {
		list_del(&it->list);
		kfree(it);
	}
	return sum;
}

/* A search tree. */
static noinline u64 do_tree(void)
{
	struct rb_root root = RB_ROOT;
	struct item *it;
	u64 sum = 0;
	int i;

	for (i = 0; i < ITEMS; i++) {
		struct rb_node **link = &root.rb_node, *parent = NULL;

		it = kzalloc(sizeof(*it), GFP_KERNEL);
		it->key = next_key();
		while (*link) {
			parent = *link;
			link = it->key < rb_entry(parent, struct item, node)->key ? &parent->rb_left : &parent->rb_right;
		}
		rb_link_node(&it->node, parent, link);
		rb_insert_color(&it->node, &root);
	}
	for (i = 0; i < ITEMS * 20; i++) {
		struct rb_node *n = root.rb_node;
		u32 key = next_key();

		while (n) {
			it = rb_entry(n, struct item, node);
			sum += it->key;
			n = key < it->key ? n->rb_left : n->rb_right;
		}
	}
	while (root.rb_node) {
		it = rb_entry(root.rb_node, struct item, node);
		rb_erase(&it->node, &root);
		kfree(it);
	}
	return sum;
}

/* A buffer of bytes: written, a checksum over it, and text taken apart. */
static noinline u64 do_buffer(void)
{
	u8 *buf = kmalloc(4096, GFP_KERNEL);
	u32 crc = ~0;
	int i, k, words = 0;

	for (i = 0; i < 4096; i++)
		buf[i] = "the quick brown fox "[i % 20];
	for (i = 0; i < 4096; i++) {
		crc ^= buf[i];
		for (k = 0; k < 8; k++)
			crc = (crc >> 1) ^ (0xedb88320 & -(crc & 1));
	}
	for (i = 1; i < 4096; i++)
		if (buf[i] == ' ' && buf[i - 1] != ' ')
			words++;
	kfree(buf);
	return crc + words;
}

/* Numbers in an array: filled, sorted by insertion and by a heap, copied. */
static noinline u64 do_array(void)
{
	u32 *a = kmalloc_array(1024, 4, GFP_KERNEL), *b = kmalloc_array(1024, 4, GFP_KERNEL);
	u64 sum = 0;
	int i, k;

	for (i = 0; i < 1024; i++)
		a[i] = next_key();
	for (i = 1; i < 128; i++) {
		u32 x = a[i];

		for (k = i; k > 0 && a[k - 1] > x; k--)
			a[k] = a[k - 1];
		a[k] = x;
	}
	for (k = 0; k < 8; k++)
		for (i = 0; i < 1024; i++)
			b[i] = a[i] + (i ? b[i - 1] : 0);
	for (i = 0; i < 1024; i++)
		sum += b[i];
	kfree(a);
	kfree(b);
	return sum;
}

/* A device's record under a lock: counters, a ring, reference counts. */
struct dev {
	spinlock_t lock;
	refcount_t users;
	atomic_long_t events;
	u32 head, tail, mask;
	u64 bytes;
	u32 *ring;
};
static noinline u64 do_device(void)
{
	struct dev *d = kzalloc(sizeof(*d), GFP_KERNEL);
	u64 sum = 0;
	int i;

	d->ring = vmalloc(4096);
	d->mask = 1023;
	spin_lock_init(&d->lock);
	refcount_set(&d->users, 1);
	for (i = 0; i < 5000; i++) {
		refcount_inc(&d->users);
		d->ring[d->head++ & d->mask] = next_key();
		d->bytes += i;
		atomic_long_inc(&d->events);
		if (i & 1)
			sum += d->ring[d->tail++ & d->mask];
		refcount_dec(&d->users);
	}
	sum += d->bytes + atomic_long_read(&d->events);
	vfree(d->ring);
	kfree(d);
	return sum;
}

/* Objects that live a moment, filled and read. */
static noinline u64 do_objects(void)
{
	u64 sum = 0;
	int i, k;

	for (i = 0; i < 1000; i++) {
		struct item *it = kmalloc(sizeof(*it), GFP_KERNEL);

		it->key = i;
		it->value = next_key();
		INIT_LIST_HEAD(&it->list);
		refcount_set(&it->users, 1);
		for (k = 0; k < 23; k++)
			it->name[k] = 'a' + k;
		it->name[23] = 0;
		for (k = 0; it->name[k]; k++)
			sum += it->name[k];
		sum += it->value;
		if (refcount_dec_and_test(&it->users))
			kfree(it);
	}
	return sum;
}

static int __init lb_check_init(void)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < rounds; i++)
		switch (what[0]) {
		case 'l':
			sum += do_list();
			break;
		case 't':
			sum += do_tree();
			break;
		case 'b':
			sum += do_buffer();
			break;
		case 'a':
			sum += do_array();
			break;
		case 'd':
			sum += do_device();
			break;
		case 'o':
			sum += do_objects();
			break;
		}
	return sum == 1;
}
static void __exit lb_check_exit(void)
{
}

module_init(lb_check_init);
module_exit(lb_check_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("what module code does with its memory");
