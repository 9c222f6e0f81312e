// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/sort.h>
#include <linux/list_sort.h>
#include <linux/bsearch.h>
#include <linux/list.h>

struct pair {
	int key;
	int tag;
};
static int compared, swapped;
static int by_key(const void *a, const void *b)
{
	compared++;
	return ((const struct pair *)a)->key - ((const struct pair *)b)->key;
}
static int by_key_r(const void *a, const void *b, const void *priv)
{
	compared++;
	return *(const int *)priv * (((const struct pair *)a)->key - ((const struct pair *)b)->key);
}
static void exchange(void *a, void *b, int size)
{
	struct pair t = *(struct pair *)a;

	swapped++;
	*(struct pair *)a = *(struct pair *)b;
	*(struct pair *)b = t;
}
static struct pair pairs[20];
static void fill(void)
{
	int i;

	for (i = 0; i < 20; i++)
		pairs[i] = (struct pair){ i * 7 % 10, i };
	compared = swapped = 0;
}
static void show(const char *what)
{
	char line[256];
	int i, at = 0;

	for (i = 0; i < 20; i++)
		at += scnprintf(line + at, sizeof(line) - at, " %d.%d", pairs[i].key, pairs[i].tag);
	pr_info("%s:%s (%d compared, %d swapped)\n", what, line, compared, swapped);
}
struct item {
	struct list_head list;
	int key, tag;
};
static struct item items[13];
static int by_item(void *priv, const struct list_head *a, const struct list_head *b)
{
	compared++;
	return list_entry(a, struct item, list)->key > list_entry(b, struct item, list)->key;
}

static int __init kc_init(void)
{
	static const int order = -1;
	static LIST_HEAD(head);
	struct pair key = { 6, 0 }, *found;
	struct item *it;
	char line[256];
	int i, at = 0, n = 0;

	fill();
	sort(pairs, 20, sizeof(struct pair), by_key, NULL);
	show("sort");
	found = bsearch(&key, pairs, 20, sizeof(struct pair), by_key);
	pr_info("found %d at %d\n", found->key, (int)(found - pairs));
	key.key = 11;
	pr_info("not found %d\n", bsearch(&key, pairs, 20, sizeof(struct pair), by_key) == NULL);
	fill();
	sort(pairs, 20, sizeof(struct pair), by_key, exchange);
	show("swap");
	fill();
	sort_r(pairs, 20, sizeof(struct pair), by_key_r, NULL, &order);
	show("down");
	sort(pairs, 1, sizeof(struct pair), by_key, NULL);
	sort(pairs, 0, sizeof(struct pair), by_key, NULL);

	compared = 0;
	for (i = 0; i < 13; i++) {
		items[i].key = i * 5 % 4;
		items[i].tag = i;
		list_add_tail(&items[i].list, &head);
	}
	list_sort(NULL, &head, by_item);
	list_for_each_entry(it, &head, list)
		at += scnprintf(line + at, sizeof(line) - at, " %d.%d", it->key, it->tag);
	list_for_each_entry_reverse(it, &head, list)
		n++;
	pr_info("list:%s (%d compared, %d back)\n", line, compared, n);
	return 0;
}
KC_ONCE(kc_init, "sorting");
