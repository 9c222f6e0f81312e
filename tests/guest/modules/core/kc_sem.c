// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/semaphore.h>
#include <linux/kthread.h>
#include <linux/delay.h>

static struct semaphore sem;

static int taker(void *data)
{
	down(&sem);
	pr_info("%s has it\n", (char *)data);
	return 0;
}

static int __init kc_init(void)
{
	unsigned long from;

	sema_init(&sem, 2);
	down(&sem);
	pr_info("interruptible %d\n", down_interruptible(&sem));
	pr_info("trylock %d\n", down_trylock(&sem));
	from = jiffies;
	pr_info("timeout %d\n", down_timeout(&sem, 5));
	pr_info("waited %s\n", jiffies - from >= 5 ? "long enough" : "too little");
	up(&sem);
	pr_info("killable %d\n", down_killable(&sem));
	kthread_run(taker, "first", "kc_first");
	msleep(20);
	kthread_run(taker, "second", "kc_second");
	msleep(20);
	pr_info("giving\n");
	up(&sem);
	msleep(20);
	pr_info("trylock while handed over %d\n", down_trylock(&sem));
	up(&sem);
	msleep(20);
	up(&sem);
	pr_info("trylock %d\n", down_trylock(&sem));
	return 0;
}
KC_ONCE(kc_init, "semaphores");
