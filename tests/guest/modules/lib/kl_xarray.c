// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/xarray.h>

static DEFINE_XARRAY(xa);
static DEFINE_XARRAY_ALLOC1(ids);
static int things[8];
static long thing(void *p)
{
	return p ? (long)((int *)p - things) : -1;
}

static void show(const char *what)
{
	unsigned long index;
	void *entry;
	char line[200] = "";
	int at = 0;

	xa_for_each(&xa, index, entry)
		at += scnprintf(line + at, sizeof(line) - at, " %lu=%ld", index, xa_is_value(entry) ? (long)xa_to_value(entry) : thing(entry));
	pr_info("%s:%s%s\n", what, line, xa_empty(&xa) ? " empty" : "");
}
static int __init kc_init(void)
{
	static const unsigned long places[] = { 0, 1, 63, 64, 4095, 4096, 1UL << 40, ~0UL };
	XA_STATE(xas, &xa, 0);
	unsigned long index;
	void *entry, *many[8];
	u32 id = 0, next = 0;
	int i, n;

	pr_info("gfp bits %d\n", __GFP_BITS_SHIFT);
	show("new");
	for (i = 0; i < 8; i++)
		pr_info("store %lu: old %ld, err %d\n", places[i], thing(xa_store(&xa, places[i], &things[i], GFP_KERNEL)), xa_err(xa_load(&xa, places[i])));
	show("eight");
	pr_info("load %ld %ld %ld\n", thing(xa_load(&xa, 64)), thing(xa_load(&xa, 65)), thing(xa_load(&xa, ~0UL)));
	pr_info("again %ld\n", thing(xa_store(&xa, 63, xa_mk_value(1234), GFP_KERNEL)));
	pr_info("value %lu\n", xa_to_value(xa_load(&xa, 63)));
	pr_info("insert %d %d\n", xa_insert(&xa, 64, &things[0], GFP_KERNEL), xa_insert(&xa, 70, &things[0], GFP_KERNEL));
	pr_info("cmpxchg %ld", thing(xa_cmpxchg(&xa, 70, &things[1], &things[2], GFP_KERNEL)));
	pr_cont(" %ld now %ld\n", thing(xa_cmpxchg(&xa, 70, &things[0], &things[2], GFP_KERNEL)), thing(xa_load(&xa, 70)));
	pr_info("reserve %d, load %ld, insert %d\n", xa_reserve(&xa, 100, GFP_KERNEL), thing(xa_load(&xa, 100)), xa_insert(&xa, 100, &things[0], GFP_KERNEL));
	show("reserved");
	xa_release(&xa, 100);
	xa_set_mark(&xa, 64, XA_MARK_0);
	xa_set_mark(&xa, 4096, XA_MARK_0);
	xa_set_mark(&xa, 2, XA_MARK_0);
	pr_info("marks %d %d %d, any %d %d\n", xa_get_mark(&xa, 64, XA_MARK_0), xa_get_mark(&xa, 2, XA_MARK_0), xa_get_mark(&xa, 4096, XA_MARK_1), xa_marked(&xa, XA_MARK_0), xa_marked(&xa, XA_MARK_1));
	xa_for_each_marked(&xa, index, entry, XA_MARK_0)
		pr_info("marked %lu\n", index);
	xa_clear_mark(&xa, 64, XA_MARK_0);
	xa_erase(&xa, 4096);
	pr_info("any %d\n", xa_marked(&xa, XA_MARK_0));
	index = 2;
	pr_info("find %d", thing(xa_find(&xa, &index, 4095, XA_PRESENT)) < 0);
	pr_cont(" at %lu, after %ld", index, thing(xa_find_after(&xa, &index, 4095, XA_PRESENT)));
	pr_cont(" at %lu, none %d\n", index, xa_find_after(&xa, &index, 65, XA_PRESENT) == NULL);
	n = xa_extract(&xa, many, 1, ~0UL, 8, XA_PRESENT);
	pr_info("extracted %d: %ld %ld %ld\n", n, thing(many[0]), thing(many[2]), thing(many[3]));
	rcu_read_lock();
	xas_for_each(&xas, entry, 100)
		pr_info("walk %lu%s\n", xas.xa_index, xa_is_value(entry) ? " value" : "");
	rcu_read_unlock();
	xas_set(&xas, 62);
	pr_info("next");
	rcu_read_lock();
	for (i = 0; i < 4; i++)
		pr_cont(" %lu:%d", xas.xa_index, xas_next(&xas) != NULL);
	pr_cont(", prev");
	for (i = 0; i < 4; i++)
		pr_cont(" %lu:%d", xas.xa_index, xas_prev(&xas) != NULL);
	rcu_read_unlock();
	pr_cont("\n");
	xas_set(&xas, 200);
	xas_lock(&xas);
	entry = xas_store(&xas, &things[5]);
	xas_set_mark(&xas, XA_MARK_2);
	pr_info("xas_store %ld, mark %d", thing(entry), xas_get_mark(&xas, XA_MARK_2));
	xas_set(&xas, 0);
	entry = xas_find_marked(&xas, ~0UL, XA_MARK_2);
	pr_cont(", found %lu", xas.xa_index);
	xas_store(&xas, NULL);
	xas_unlock(&xas);
	pr_cont(", gone %d %d\n", xa_load(&xa, 200) == NULL, xa_marked(&xa, XA_MARK_2));
	for (i = 7; i >= 0; i--)
		xa_erase(&xa, places[i]);
	show("erased");
	xa_erase(&xa, 70);
	show("erased");
	for (i = 0; i < 300; i++)
		xa_store(&xa, i * 7, xa_mk_value(i), GFP_KERNEL);
	n = 0;
	xa_for_each_range(&xa, index, entry, 100, 1000)
		n += xa_to_value(entry);
	pr_info("sum %d\n", n);
	xa_destroy(&xa);
	show("destroyed");

	for (i = 0; i < 70; i++)
		n = xa_alloc(&ids, &id, &things[0], xa_limit_31b, GFP_KERNEL);
	pr_info("last id %u\n", id);
	xa_erase(&ids, 5);
	xa_erase(&ids, 66);
	n = xa_alloc(&ids, &id, &things[1], xa_limit_31b, GFP_KERNEL);
	pr_info("id %d %u", n, id);
	n = xa_alloc(&ids, &id, &things[1], xa_limit_31b, GFP_KERNEL);
	pr_cont(", %d %u", n, id);
	n = xa_alloc(&ids, &id, &things[1], XA_LIMIT(3, 9), GFP_KERNEL);
	pr_cont(", full %d", n);
	n = xa_alloc(&ids, &id, NULL, XA_LIMIT(100, 200), GFP_KERNEL);
	pr_cont(", reserved %d %u %d\n", n, id, xa_load(&ids, id) == NULL);
	next = 198;
	for (i = 0; i < 5; i++) {
		n = xa_alloc_cyclic(&ids, &id, &things[2], XA_LIMIT(190, 200), &next, GFP_KERNEL);
		pr_info("cyclic %d %u next %u\n", n, id, next);
	}
	xa_destroy(&ids);
	return 0;
}
KC_ONCE(kc_init, "xarrays");
