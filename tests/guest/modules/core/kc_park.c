// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/kthread.h>
#include <linux/delay.h>
#include <linux/sched.h>

static int rounds;

static int run(void *unused)
{
	while (!kthread_should_stop()) {
		if (kthread_should_park()) {
			pr_info("parks\n");
			kthread_parkme();
			pr_info("goes on\n");
		}
		rounds++;
		msleep(10);
	}
	return 0;
}

static int __init kc_init(void)
{
	struct task_struct *t = kthread_create(run, NULL, "kc_park");
	int before;

	kthread_bind(t, 0);
	wake_up_process(t);
	msleep(30);
	pr_info("park %d\n", kthread_park(t));
	before = rounds;
	msleep(50);
	pr_info("parked: %d rounds more, state %x\n", rounds - before, READ_ONCE(t->__state));
	kthread_unpark(t);
	msleep(50);
	pr_info("unparked: %s, cpu %d\n", rounds > before ? "runs" : "stands", task_cpu(t));
	pr_info("data %d func %d\n", kthread_data(t) == NULL, kthread_func(t) == run);
	pr_info("stop %d\n", kthread_stop(t));
	return 0;
}
KC_ONCE(kc_init, "parking a thread");
