// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/klist.h>
#include <linux/llist.h>

struct thing {
	struct klist_node node;
	struct llist_node ll;
	int id;
};
static struct thing things[6];

static void get(struct klist_node *n)
{
	pr_info("get %d\n", container_of(n, struct thing, node)->id);
}
static void put(struct klist_node *n)
{
	pr_info("put %d\n", container_of(n, struct thing, node)->id);
}
static struct klist list = KLIST_INIT(list, get, put);
static struct klist plain;

static void show(struct klist *l, const char *what)
{
	struct klist_iter i;
	struct klist_node *n;
	char line[64] = "";
	int at = 0;

	klist_iter_init(l, &i);
	while ((n = klist_next(&i)))
		at += scnprintf(line + at, sizeof(line) - at, " %d", container_of(n, struct thing, node)->id);
	klist_iter_exit(&i);
	pr_info("%s:%s\n", what, line);
}
static int __init kc_init(void)
{
	struct klist_iter i;
	struct klist_node *n;
	struct llist_node *l;
	static LLIST_HEAD(head);
	int k;

	for (k = 0; k < 6; k++)
		things[k].id = k;
	klist_add_tail(&things[1].node, &list);
	klist_add_head(&things[0].node, &list);
	klist_add_tail(&things[3].node, &list);
	klist_add_before(&things[2].node, &things[3].node);
	klist_add_behind(&things[4].node, &things[3].node);
	show(&list, "list");
	klist_iter_init(&list, &i);
	while ((n = klist_next(&i))) {
		k = container_of(n, struct thing, node)->id;
		if (k == 1 || k == 2) {
			pr_info("deleting %d while there\n", k);
			klist_del(n);
			pr_info("attached %d\n", klist_node_attached(n));
		}
	}
	klist_iter_exit(&i);
	show(&list, "after");
	klist_iter_init_node(&list, &i, &things[3].node);
	n = klist_prev(&i);
	pr_info("before 3: %d\n", container_of(n, struct thing, node)->id);
	klist_iter_exit(&i);
	klist_remove(&things[0].node);
	klist_remove(&things[3].node);
	klist_remove(&things[4].node);
	pr_info("attached %d\n", klist_node_attached(&things[0].node));
	klist_init(&plain, NULL, NULL);
	klist_add_tail(&things[5].node, &plain);
	show(&plain, "plain");
	klist_del(&things[5].node);
	show(&plain, "plain");

	for (k = 0; k < 5; k++)
		pr_info("add %d, was empty %d\n", k, llist_add(&things[k].ll, &head));
	l = llist_del_first(&head);
	pr_info("first %d\n", container_of(l, struct thing, ll)->id);
	l = llist_reverse_order(llist_del_all(&head));
	for (; l; l = l->next)
		pr_info("then %d\n", container_of(l, struct thing, ll)->id);
	pr_info("empty %d\n", llist_empty(&head));
	return 0;
}
KC_ONCE(kc_init, "klist and llist");
