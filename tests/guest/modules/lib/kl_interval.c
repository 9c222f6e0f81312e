// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/interval_tree.h>

static struct interval_tree_node nodes[16];
static struct rb_root_cached root = RB_ROOT_CACHED;

static void query(unsigned long from, unsigned long to)
{
	struct interval_tree_node *n;
	char line[160] = "";
	int at = 0;

	for (n = interval_tree_iter_first(&root, from, to); n; n = interval_tree_iter_next(n, from, to))
		at += scnprintf(line + at, sizeof(line) - at, " [%lu,%lu]", n->start, n->last);
	pr_info("%lu-%lu:%s\n", from, to, line);
}
static int __init kc_init(void)
{
	int i;

	for (i = 0; i < 16; i++) {
		nodes[i].start = i * 13 % 50;
		nodes[i].last = nodes[i].start + i % 7 * 5;
		interval_tree_insert(&nodes[i], &root);
	}
	query(0, 100);
	query(10, 12);
	query(47, 47);
	query(80, 90);
	for (i = 0; i < 16; i += 3)
		interval_tree_remove(&nodes[i], &root);
	query(0, 100);
	query(20, 25);
	query(0, ~0UL);
	for (i = 0; i < 16; i++)
		if (i % 3)
			interval_tree_remove(&nodes[i], &root);
	query(0, ~0UL);
	pr_info("empty %d\n", RB_EMPTY_ROOT(&root.rb_root));
	return 0;
}
KC_ONCE(kc_init, "interval trees");
