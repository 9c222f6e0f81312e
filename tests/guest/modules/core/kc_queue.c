// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/workqueue.h>
#include <linux/delay.h>

static struct workqueue_struct *ordered, *wide;
static struct work_struct works[4];

static void fn(struct work_struct *work)
{
	long n = work - works;

	pr_info("work %ld begins\n", n);
	msleep(20);
	pr_info("work %ld ends\n", n);
}

static int __init kc_init(void)
{
	int i;

	ordered = alloc_ordered_workqueue("kc_%s", 0, "ordered");
	wide = alloc_workqueue("kc_wide", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	pr_info("made %d %d\n", ordered != NULL, wide != NULL);
	for (i = 0; i < 4; i++)
		INIT_WORK(&works[i], fn);
	for (i = 0; i < 3; i++)
		queue_work(ordered, &works[i]);
	pr_info("queued\n");
	flush_workqueue(ordered);
	pr_info("flushed\n");
	queue_work(wide, &works[3]);
	drain_workqueue(wide);
	for (i = 0; i < 3; i++)
		queue_work(ordered, &works[i]);
	msleep(5);
	pr_info("cancel the last %d\n", cancel_work_sync(&works[2]));
	destroy_workqueue(ordered);
	destroy_workqueue(wide);
	pr_info("destroyed\n");
	return 0;
}
KC_ONCE(kc_init, "own workqueues");
