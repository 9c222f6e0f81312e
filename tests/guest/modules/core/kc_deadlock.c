// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/mutex.h>
#include <linux/kthread.h>
#include <linux/delay.h>
#include <linux/sched/signal.h>

static DEFINE_MUTEX(lock);
static struct task_struct *owner;

/* Sleeps with the lock held; the module's load can be interrupted while it waits for it. */
static int holder(void *unused)
{
	mutex_lock(&lock);
	while (!kthread_should_stop())
		msleep(10);
	mutex_unlock(&lock);
	return 0;
}

static int __init kc_init(void)
{
	int r;

	owner = kthread_run(holder, NULL, "kc_holder");
	msleep(20);
	r = mutex_lock_killable(&lock);
	pr_info("killed: %d\n", r);
	kthread_stop(owner);
	return r ? r : -EIO;
}
KC_ONCE(kc_init, "waiting for a lock that does not come");
