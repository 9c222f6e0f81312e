// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/workqueue.h>
#include <linux/delay.h>

static void fn(struct work_struct *work)
{
	pr_info("delayed work: is mine %d\n", to_delayed_work(work) != NULL);
}
static DECLARE_DELAYED_WORK(dwork, fn);

static int __init kc_init(void)
{
	pr_info("schedule %d", schedule_delayed_work(&dwork, 2));
	pr_info("again %d pending %d\n", schedule_delayed_work(&dwork, 2), delayed_work_pending(&dwork));
	msleep(50);
	pr_info("after: pending %d\n", delayed_work_pending(&dwork));
	schedule_delayed_work(&dwork, 10 * HZ);
	pr_info("cancel %d", cancel_delayed_work_sync(&dwork));
	pr_info("again %d\n", cancel_delayed_work_sync(&dwork));
	schedule_delayed_work(&dwork, 10 * HZ);
	pr_info("mod %d\n", mod_delayed_work(system_wq, &dwork, 1));
	msleep(50);
	schedule_delayed_work(&dwork, 10 * HZ);
	pr_info("flush %d\n", flush_delayed_work(&dwork));
	pr_info("at once %d\n", schedule_delayed_work(&dwork, 0));
	pr_info("flushed %d\n", flush_delayed_work(&dwork) || 1);
	return 0;
}
KC_ONCE(kc_init, "delayed works");
