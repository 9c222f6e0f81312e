// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/wait.h>
#include <linux/kthread.h>
#include <linux/delay.h>

static DECLARE_WAIT_QUEUE_HEAD(queue);
static wait_queue_head_t made;
static int condition, seen;

static int sleeper(void *data)
{
	int r = wait_event_interruptible(queue, condition);

	pr_info("sleeper %ld woke with %d\n", (long)data, r);
	seen++;
	return 0;
}
static int exclusive(void *data)
{
	wait_event_interruptible_exclusive(made, condition > 1);
	pr_info("exclusive %ld\n", (long)data);
	return 0;
}
static int own_wake(wait_queue_entry_t *entry, unsigned int mode, int flags, void *key)
{
	pr_info("own function: key %ld\n", (long)key);
	return 0;
}

static int __init kc_init(void)
{
	wait_queue_entry_t entry;
	long i, left;

	pr_info("active %d\n", waitqueue_active(&queue));
	for (i = 0; i < 2; i++) {
		kthread_run(sleeper, (void *)i, "kc_sleep/%ld", i);
		msleep(20);
	}
	pr_info("active %d\n", waitqueue_active(&queue));
	wake_up(&queue);
	msleep(20);
	pr_info("condition false: %d woke\n", seen);
	condition = 1;
	wake_up_interruptible(&queue);
	msleep(20);
	pr_info("condition true: %d woke, active %d\n", seen, waitqueue_active(&queue));

	init_waitqueue_head(&made);
	for (i = 0; i < 3; i++) {
		kthread_run(exclusive, (void *)i, "kc_ex/%ld", i);
		msleep(20);
	}
	condition = 2;
	wake_up(&made);
	msleep(20);
	pr_info("one more\n");
	wake_up_nr(&made, 1);
	msleep(20);
	pr_info("all\n");
	wake_up_all(&made);
	msleep(20);

	condition = 0;
	left = wait_event_timeout(queue, condition, 5);
	pr_info("timeout %ld\n", left);
	left = wait_event_timeout(queue, !condition, 5);
	pr_info("true at once %ld\n", left);
	left = wait_event_interruptible_timeout(queue, condition, 1);
	pr_info("interruptible timeout %ld\n", left);

	init_waitqueue_func_entry(&entry, own_wake);
	add_wait_queue(&queue, &entry);
	__wake_up(&queue, TASK_NORMAL, 1, (void *)7);
	remove_wait_queue(&queue, &entry);
	wake_up(&queue);
	pr_info("end: active %d\n", waitqueue_active(&queue));
	return 0;
}
KC_ONCE(kc_init, "wait queues");
