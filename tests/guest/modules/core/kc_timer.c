// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/timer.h>
#include <linux/delay.h>

static struct timer_list once;
static struct timer_list again;
static int fired;
static unsigned long due;

static void once_fn(struct timer_list *t)
{
	pr_info("once: in_softirq %d serving %d in_task %d irqs %s, %s\n", !!in_softirq(), !!in_serving_softirq(),
		in_task(), irqs_disabled() ? "off" : "on", time_before(jiffies, due) ? "early" : "in time");
}
static void again_fn(struct timer_list *t)
{
	if (++fired < 3)
		mod_timer(t, jiffies + 2);
	pr_info("again %d, is mine %d\n", fired, t == &again);
}

static int __init kc_init(void)
{
	timer_setup(&once, once_fn, 0);
	timer_setup(&again, again_fn, 0);
	pr_info("new: pending %d, delete %d\n", timer_pending(&once), timer_delete(&once));
	due = jiffies + msecs_to_jiffies(20);
	once.expires = due;
	add_timer(&once);
	pr_info("added: pending %d\n", timer_pending(&once));
	msleep(60);
	pr_info("after: pending %d\n", timer_pending(&once));
	pr_info("mod of a quiet one %d", mod_timer(&again, jiffies + 25));
	pr_info("of a pending one %d\n", mod_timer(&again, jiffies + 26));
	msleep(250);
	pr_info("fired %d\n", fired);
	mod_timer(&once, jiffies + 1000);
	pr_info("delete sync %d, pending %d\n", timer_delete_sync(&once), timer_pending(&once));
	mod_timer(&once, jiffies + 1000);
	pr_info("pending only %d", mod_timer_pending(&once, jiffies + 900));
	pr_info("shutdown %d", timer_shutdown_sync(&once));
	pr_info("dead: mod %d pending %d\n", mod_timer(&once, jiffies + 1), timer_pending(&once));
	return 0;
}
KC_ONCE(kc_init, "timers");
