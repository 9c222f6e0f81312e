// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/kthread.h>
#include <linux/delay.h>

static struct task_struct *kept;

static int run(void *data)
{
	pr_info("[%s] data %s, kernel thread %d, mm %d, in_task %d\n", current->comm, (char *)data,
		!!(current->flags & PF_KTHREAD), current->mm != NULL, in_task());
	while (!kthread_should_stop())
		msleep(10);
	pr_info("[%s] ends\n", current->comm);
	return 42;
}
static int quick(void *unused)
{
	pr_info("quick: parent %s\n", current->real_parent->comm);
	return 0;
}

static int __init kc_init(void)
{
	struct task_struct *never = kthread_create(run, "never", "kc_never");

	pr_info("never woken: %d\n", kthread_stop(never));
	kthread_run(quick, NULL, "a_name_that_is_longer_than_comm");
	msleep(20);
	kept = kthread_run(run, "hello", "kc_%s/%d", "kept", 3);
	if (IS_ERR(kept))
		return PTR_ERR(kept);
	msleep(20);
	return 0;
}
static void __exit kc_exit(void)
{
	pr_info("kthread_stop: %d\n", kthread_stop(kept));
}
KC_MODULE(kc_init, kc_exit, "kernel threads");
