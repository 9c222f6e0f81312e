// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/wait.h>
#include <linux/kthread.h>
#include <linux/sched/task.h>
#include <linux/delay.h>

static DECLARE_WAIT_QUEUE_HEAD(queue);
static int ready;

/* The loop that wait_event() stands for, by hand. */
static int sleeper(void *unused)
{
	DEFINE_WAIT(wait);
	int rounds = 0;

	for (;;) {
		prepare_to_wait(&queue, &wait, TASK_INTERRUPTIBLE);
		if (ready)
			break;
		rounds++;
		schedule();
	}
	finish_wait(&queue, &wait);
	pr_info("%d rounds, state %u\n", rounds, READ_ONCE(current->__state));
	set_current_state(TASK_INTERRUPTIBLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_INTERRUPTIBLE);
	}
	__set_current_state(TASK_RUNNING);
	return 3;
}

static int __init kc_init(void)
{
	DECLARE_WAITQUEUE(wait, current);
	struct task_struct *t = kthread_create(sleeper, NULL, "kc_manual");

	pr_info("created: state %u\n", READ_ONCE(t->__state));
	pr_info("wake %d\n", wake_up_process(t));
	msleep(20);
	pr_info("asleep: state %u\n", READ_ONCE(t->__state));
	wake_up(&queue);
	msleep(20);
	ready = 1;
	wake_up(&queue);
	msleep(20);
	pr_info("wake a sleeping one %d\n", wake_up_process(t));
	msleep(20);
	pr_info("stop %d\n", kthread_stop(t));

	add_wait_queue(&queue, &wait);
	set_current_state(TASK_UNINTERRUPTIBLE);
	pr_info("woken before it sleeps: %d\n", wake_up_process(current));
	schedule();
	pr_info("schedule came back, state %u\n", READ_ONCE(current->__state));
	remove_wait_queue(&queue, &wait);
	return 0;
}
KC_ONCE(kc_init, "sleeping by hand");
