// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/delay.h>

static int deaf(void *unused)
{
	int woken = 0;

	while (!kthread_should_stop()) {
		schedule_timeout_interruptible(HZ);
		woken++;
		if (signal_pending(current))
			pr_info("deaf heard something\n");
	}
	return 1;
}
static int listener(void *unused)
{
	allow_signal(SIGUSR1);
	while (!kthread_should_stop()) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop() && !signal_pending(current))
			schedule();
		__set_current_state(TASK_RUNNING);
		if (signal_pending(current)) {
			pr_info("listener heard, USR1 %d\n", sigismember(&current->pending.signal, SIGUSR1) || sigismember(&current->signal->shared_pending.signal, SIGUSR1));
			flush_signals(current);
		}
	}
	return 2;
}

static int __init kc_init(void)
{
	struct task_struct *a = kthread_run(deaf, NULL, "kc_deaf"), *b = kthread_run(listener, NULL, "kc_listener");

	msleep(20);
	pr_info("send to deaf %d\n", send_sig(SIGUSR1, a, 1));
	pr_info("send to listener %d\n", send_sig(SIGUSR1, b, 1));
	msleep(20);
	pr_info("stop %d", kthread_stop(a));
	pr_info("stop %d\n", kthread_stop(b));
	return 0;
}
KC_ONCE(kc_init, "signals to kernel threads");
