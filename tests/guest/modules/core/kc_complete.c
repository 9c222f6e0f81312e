// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/delay.h>

static DECLARE_COMPLETION(done);
static struct completion other;
static int released;

static int worker(void *unused)
{
	msleep(30);
	pr_info("worker completes\n");
	complete(&done);
	return 0;
}
static int waiter(void *data)
{
	wait_for_completion(&other);
	if (++released == 1)
		pr_info("waiter %ld goes on\n", (long)data);
	return 0;
}

static int __init kc_init(void)
{
	long left;
	long i;

	pr_info("new: done %d try %d\n", completion_done(&done), try_wait_for_completion(&done));
	kthread_run(worker, NULL, "kc_worker");
	wait_for_completion(&done);
	pr_info("after: done %d\n", completion_done(&done));
	complete(&done);
	complete(&done);
	pr_info("twice: try %d", try_wait_for_completion(&done));
	pr_info("try %d", try_wait_for_completion(&done));
	pr_info("try %d\n", try_wait_for_completion(&done));
	left = wait_for_completion_timeout(&done, 5);
	pr_info("timeout: %ld\n", left);
	complete(&done);
	left = wait_for_completion_timeout(&done, 500);
	pr_info("in time: %s\n", left > 400 ? "much left" : "little left");
	pr_info("interruptible %ld\n", wait_for_completion_interruptible_timeout(&done, 3));
	init_completion(&other);
	for (i = 0; i < 3; i++) {
		kthread_run(waiter, (void *)i, "kc_waiter/%ld", i);
		msleep(20);
	}
	complete(&other);
	msleep(20);
	complete_all(&other);
	msleep(20);
	wait_for_completion(&other);
	pr_info("all: released %d done %d\n", released, completion_done(&other));
	reinit_completion(&other);
	pr_info("reinit: done %d\n", completion_done(&other));
	return 0;
}
KC_ONCE(kc_init, "completions");
