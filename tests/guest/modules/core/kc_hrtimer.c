// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/hrtimer.h>
#include <linux/delay.h>

static struct hrtimer timer;
static int fired;

static enum hrtimer_restart tick(struct hrtimer *t)
{
	fired++;
	if (fired == 1)
		pr_info("first: hardirq %d irqs %s in_task %d\n", !!in_hardirq(), irqs_disabled() ? "off" : "on", in_task());
	if (fired == 5)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(t, ms_to_ktime(2));
	return HRTIMER_RESTART;
}

static int __init kc_init(void)
{
	ktime_t left;

	hrtimer_init(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	timer.function = tick;
	pr_info("new: active %d cancel %d\n", hrtimer_active(&timer), hrtimer_cancel(&timer));
	hrtimer_start(&timer, ms_to_ktime(5), HRTIMER_MODE_REL);
	pr_info("started: active %d queued %d\n", hrtimer_active(&timer), hrtimer_is_queued(&timer));
	msleep(400);
	pr_info("fired %d, active %d\n", fired, hrtimer_active(&timer));
	hrtimer_start(&timer, ms_to_ktime(10000), HRTIMER_MODE_REL);
	left = hrtimer_get_remaining(&timer);
	pr_info("remaining %s\n", left > ms_to_ktime(9000) && left <= ms_to_ktime(10000) ? "about ten seconds" : "something else");
	pr_info("cancel %d", hrtimer_cancel(&timer));
	pr_info("again %d, try %d\n", hrtimer_cancel(&timer), hrtimer_try_to_cancel(&timer));
	return 0;
}
KC_ONCE(kc_init, "high-resolution timers");
