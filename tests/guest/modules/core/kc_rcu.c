// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/rcupdate.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/delay.h>

struct item {
	struct list_head list;
	struct rcu_head rcu;
	int n;
};
static LIST_HEAD(items);
static int freed;

static void free_item(struct rcu_head *head)
{
	struct item *i = container_of(head, struct item, rcu);

	freed++;
	pr_info("callback for %d: serving softirq or a thread %d\n", i->n, in_serving_softirq() || in_task() || in_softirq());
	kfree(i);
}

static int __init kc_init(void)
{
	struct item *i, *next;
	int n, sum = 0;

	for (n = 1; n <= 3; n++) {
		i = kzalloc(sizeof(*i), GFP_KERNEL);
		if (!i)
			return -ENOMEM;
		i->n = n;
		list_add_tail_rcu(&i->list, &items);
	}
	rcu_read_lock();
	list_for_each_entry_rcu(i, &items, list)
		sum += i->n;
	rcu_read_unlock();
	pr_info("sum %d\n", sum);
	i = list_first_entry(&items, struct item, list);
	list_del_rcu(&i->list);
	call_rcu(&i->rcu, free_item);
	pr_info("freed at once %d\n", freed);
	rcu_barrier();
	pr_info("after barrier %d\n", freed);
	i = list_first_entry(&items, struct item, list);
	list_del_rcu(&i->list);
	synchronize_rcu();
	kfree(i);
	list_for_each_entry_safe(i, next, &items, list) {
		list_del_rcu(&i->list);
		kfree_rcu(i, rcu);
	}
	rcu_barrier();
	pr_info("empty %d\n", list_empty(&items));
	return 0;
}
KC_ONCE(kc_init, "RCU");
