// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/interrupt.h>
#include <linux/delay.h>

static int runs;

static void old_fn(unsigned long data)
{
	runs++;
	pr_info("old style: data %lu serving %d in_task %d\n", data, !!in_serving_softirq(), in_task());
}
static void new_fn(struct tasklet_struct *t)
{
	runs++;
	pr_info("new style: state %lu\n", t->state);
}
static DECLARE_TASKLET_OLD(unused, old_fn);
static struct tasklet_struct old, fresh;

static int __init kc_init(void)
{
	tasklet_init(&old, old_fn, 5);
	tasklet_setup(&fresh, new_fn);
	tasklet_schedule(&old);
	msleep(20);
	tasklet_hi_schedule(&fresh);
	msleep(20);
	pr_info("runs %d\n", runs);
	tasklet_disable(&old);
	tasklet_schedule(&old);
	msleep(20);
	pr_info("disabled: runs %d scheduled %d\n", runs, test_bit(TASKLET_STATE_SCHED, &old.state));
	tasklet_enable(&old);
	msleep(20);
	pr_info("enabled: runs %d\n", runs);
	tasklet_kill(&old);
	tasklet_kill(&fresh);
	tasklet_kill(&unused);
	return 0;
}
KC_ONCE(kc_init, "tasklets");
