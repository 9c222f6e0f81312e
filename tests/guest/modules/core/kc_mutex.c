// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/mutex.h>
#include <linux/kthread.h>
#include <linux/delay.h>

static DEFINE_MUTEX(fixed);
static struct mutex made;
static int order;

static int taker(void *data)
{
	long id = (long)data;

	mutex_lock(&fixed);
	pr_info("taker %ld is number %d\n", id, ++order);
	mutex_unlock(&fixed);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ);
	return 10 + id;
}

static int __init kc_init(void)
{
	struct task_struct *t[3];
	long i;

	mutex_init(&made);
	pr_info("new: locked %d\n", mutex_is_locked(&made));
	mutex_lock(&made);
	pr_info("held: locked %d, trylock %d\n", mutex_is_locked(&made), mutex_trylock(&made));
	mutex_unlock(&made);
	pr_info("free: trylock %d\n", mutex_trylock(&made));
	mutex_unlock(&made);
	pr_info("interruptible %d\n", mutex_lock_interruptible(&made));
	mutex_unlock(&made);
	pr_info("killable %d\n", mutex_lock_killable(&made));
	mutex_unlock(&made);
	mutex_destroy(&made);

	mutex_lock(&fixed);
	for (i = 0; i < 3; i++) {
		t[i] = kthread_run(taker, (void *)i, "taker/%ld", i);
		msleep(20);
	}
	pr_info("order so far %d\n", order);
	mutex_unlock(&fixed);
	msleep(50);
	for (i = 0; i < 3; i++)
		pr_info("stop: %d\n", kthread_stop(t[i]));
	return 0;
}
KC_ONCE(kc_init, "mutex");
