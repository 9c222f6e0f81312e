// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/idr.h>

static DEFINE_IDR(idr);
static DEFINE_IDA(ida);
static int things[4];

static int visit(int id, void *p, void *data)
{
	pr_info("visit %d: thing %ld\n", id, (long)((int *)p - things));
	return id == 7 ? -5 : 0;
}

static int __init kc_init(void)
{
	int id = 0, a, b, c, d;
	void *p;

	pr_info("empty %d\n", idr_is_empty(&idr));
	a = idr_alloc(&idr, &things[0], 0, 0, GFP_KERNEL);
	b = idr_alloc(&idr, &things[1], 0, 0, GFP_KERNEL);
	c = idr_alloc(&idr, &things[2], 5, 8, GFP_KERNEL);
	pr_info("ids %d %d %d, empty %d\n", a, b, c, idr_is_empty(&idr));
	a = idr_alloc(&idr, &things[3], 7, 8, GFP_KERNEL);
	b = idr_alloc(&idr, &things[3], 7, 8, GFP_KERNEL);
	pr_info("last of a range %d, full %d\n", a, b);
	pr_info("find %d %d\n", idr_find(&idr, 5) == &things[2], idr_find(&idr, 6) == NULL);
	a = idr_for_each(&idr, visit, NULL);
	pr_info("for each %d\n", a);
	idr_for_each_entry(&idr, p, id)
		pr_info("entry %d\n", id);
	pr_info("remove %d %d\n", idr_remove(&idr, 0) == &things[0], idr_remove(&idr, 0) == NULL);
	a = idr_alloc_cyclic(&idr, &things[0], 0, 0, GFP_KERNEL);
	b = idr_alloc_cyclic(&idr, &things[0], 0, 0, GFP_KERNEL);
	pr_info("cyclic %d %d\n", a, b);
	idr_destroy(&idr);
	pr_info("destroyed: empty %d\n", idr_is_empty(&idr));

	a = ida_alloc(&ida, GFP_KERNEL);
	b = ida_alloc(&ida, GFP_KERNEL);
	c = ida_alloc_range(&ida, 10, 11, GFP_KERNEL);
	d = ida_alloc_min(&ida, 11, GFP_KERNEL);
	pr_info("ida %d %d %d %d\n", a, b, c, d);
	a = ida_alloc_range(&ida, 10, 11, GFP_KERNEL);
	pr_info("full %d\n", a);
	ida_free(&ida, 0);
	a = ida_alloc_max(&ida, 100, GFP_KERNEL);
	pr_info("again %d, empty %d\n", a, ida_is_empty(&ida));
	ida_destroy(&ida);
	pr_info("empty %d\n", ida_is_empty(&ida));
	return 0;
}
KC_ONCE(kc_init, "numbers for objects");
