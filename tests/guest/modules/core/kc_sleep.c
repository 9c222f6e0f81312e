// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/delay.h>
#include <linux/sched.h>
#include <linux/ktime.h>

static void check(const char *what, u64 from, u64 least)
{
	u64 took = ktime_get_ns() - from;

	pr_info("%s: %s\n", what, took < least ? "too short" : took > least + 20 * NSEC_PER_SEC ? "far too long" : "as asked");
}

static int __init kc_init(void)
{
	u64 t = ktime_get_ns();
	long left;

	msleep(10);
	check("msleep", t, 10 * NSEC_PER_MSEC);
	t = ktime_get_ns();
	usleep_range(500, 600);
	check("usleep_range", t, 500 * NSEC_PER_USEC);
	t = ktime_get_ns();
	udelay(100);
	check("udelay", t, 100 * NSEC_PER_USEC);
	t = ktime_get_ns();
	mdelay(3);
	check("mdelay", t, 3 * NSEC_PER_MSEC);
	t = ktime_get_ns();
	ssleep(1);
	check("ssleep", t, NSEC_PER_SEC);
	set_current_state(TASK_UNINTERRUPTIBLE);
	left = schedule_timeout(3);
	pr_info("schedule_timeout %ld, state %u\n", left, READ_ONCE(current->__state));
	left = schedule_timeout(0);
	pr_info("of nothing %ld\n", left);
	pr_info("running %s\n", schedule_timeout(100) >= 99 ? "does not sleep" : "sleeps");
	pr_info("interruptible %lu\n", msleep_interruptible(5));
	left = schedule_timeout_uninterruptible(-5);
	pr_info("negative %ld\n", left);
	return 0;
}
KC_ONCE(kc_init, "sleeping by time");
