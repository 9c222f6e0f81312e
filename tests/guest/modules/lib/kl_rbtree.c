// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/rbtree.h>
#include <linux/rbtree_augmented.h>

/* A tree by key, walked in every order while nodes come and go; and one whose nodes know the sum below them. */
struct node {
	struct rb_node rb;
	int key;
	int sum;
};
static struct node nodes[64];
static struct rb_root root = RB_ROOT;

static void insert(struct node *n)
{
	struct rb_node **link = &root.rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = n->key < rb_entry(parent, struct node, rb)->key ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&n->rb, parent, link);
	rb_insert_color(&n->rb, &root);
}
/* The number of black nodes on every way down, or -1. */
static int black_height(struct rb_node *n)
{
	int l, r;

	if (!n)
		return 0;
	l = black_height(n->rb_left);
	r = black_height(n->rb_right);
	if (l != r || l < 0)
		return -1;
	if (!(n->__rb_parent_color & 1) && n->rb_left && !(n->rb_left->__rb_parent_color & 1))
		return -1;
	return l + (n->__rb_parent_color & 1);
}
static void show(const char *what)
{
	struct rb_node *n;
	struct node *pos, *next;
	char line[256];
	int at = 0;

	for (n = rb_first(&root); n; n = rb_next(n))
		at += scnprintf(line + at, sizeof(line) - at, " %d", rb_entry(n, struct node, rb)->key);
	pr_info("%s: height %d:%s\n", what, black_height(root.rb_node), line);
	for (at = 0, n = rb_last(&root); n; n = rb_prev(n))
		at += scnprintf(line + at, sizeof(line) - at, " %d", rb_entry(n, struct node, rb)->key);
	pr_info("back:%s\n", line);
	at = 0;
	rbtree_postorder_for_each_entry_safe(pos, next, &root, rb)
		at += scnprintf(line + at, sizeof(line) - at, " %d", pos->key);
	pr_info("post:%s\n", line);
}

static inline int sum_of(struct node *n)
{
	int sum = n->key;

	if (n->rb.rb_left)
		sum += rb_entry(n->rb.rb_left, struct node, rb)->sum;
	if (n->rb.rb_right)
		sum += rb_entry(n->rb.rb_right, struct node, rb)->sum;
	return sum;
}
static inline bool compute(struct node *n, bool exit)
{
	int sum = sum_of(n);

	if (exit && n->sum == sum)
		return true;
	n->sum = sum;
	return false;
}
RB_DECLARE_CALLBACKS(static, augment, struct node, rb, sum, compute)
static struct rb_root sums = RB_ROOT;

static void insert_sum(struct node *n)
{
	struct rb_node **link = &sums.rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		rb_entry(parent, struct node, rb)->sum += n->key;
		link = n->key < rb_entry(parent, struct node, rb)->key ? &parent->rb_left : &parent->rb_right;
	}
	n->sum = n->key;
	rb_link_node(&n->rb, parent, link);
	rb_insert_augmented(&n->rb, &sums, &augment);
}
static int check_sums(struct rb_node *n)
{
	if (!n)
		return 0;
	return check_sums(n->rb_left) + check_sums(n->rb_right) + (rb_entry(n, struct node, rb)->sum != sum_of(rb_entry(n, struct node, rb)));
}

static int __init kc_init(void)
{
	static struct node other;
	int i;

	for (i = 0; i < 24; i++) {
		nodes[i].key = i * 37 % 101;
		insert(&nodes[i]);
	}
	show("24");
	for (i = 0; i < 24; i += 2)
		rb_erase(&nodes[i].rb, &root);
	show("12");
	other.key = nodes[5].key;
	rb_replace_node(&nodes[5].rb, &other.rb, &root);
	show("replaced");
	rb_erase(&other.rb, &root);
	for (i = 1; i < 24; i += 2)
		if (i != 5)
			rb_erase(&nodes[i].rb, &root);
	pr_info("empty %d\n", RB_EMPTY_ROOT(&root));
	for (i = 0; i < 64; i++) {
		nodes[i].key = i * 29 % 67;
		insert_sum(&nodes[i]);
	}
	pr_info("sum %d, wrong %d, height %d\n", rb_entry(sums.rb_node, struct node, rb)->sum, check_sums(sums.rb_node), black_height(sums.rb_node));
	for (i = 0; i < 64; i += 3)
		rb_erase_augmented(&nodes[i].rb, &sums, &augment);
	pr_info("sum %d, wrong %d, height %d\n", rb_entry(sums.rb_node, struct node, rb)->sum, check_sums(sums.rb_node), black_height(sums.rb_node));
	for (i = 63; i >= 0; i--)
		if (i % 3)
			rb_erase_augmented(&nodes[i].rb, &sums, &augment);
	pr_info("empty %d\n", RB_EMPTY_ROOT(&sums));
	return 0;
}
KC_ONCE(kc_init, "red-black trees");
