// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/wait_bit.h>
#include <linux/kthread.h>
#include <linux/delay.h>

static unsigned long word;
static int variable;
static int clearer(void *unused)
{
	msleep(20);
	pr_info("clearing\n");
	clear_bit_unlock(5, &word);
	smp_mb__after_atomic();
	wake_up_bit(&word, 5);
	msleep(20);
	pr_info("setting\n");
	WRITE_ONCE(variable, 7);
	wake_up_var(&variable);
	return 0;
}
static int __init kc_init(void)
{
	struct task_struct *t;

	set_bit(5, &word);
	t = kthread_run(clearer, NULL, "clearer");
	pr_info("clear at once %d\n", wait_on_bit(&word, 4, TASK_UNINTERRUPTIBLE));
	pr_info("wait %d\n", wait_on_bit(&word, 5, TASK_UNINTERRUPTIBLE));
	wait_var_event(&variable, READ_ONCE(variable) == 7);
	pr_info("variable %d\n", variable);
	pr_info("lock %d word %lx\n", wait_on_bit_lock(&word, 9, TASK_UNINTERRUPTIBLE), word);
	pr_info("timeout %d\n", wait_on_bit_timeout(&word, 9, TASK_UNINTERRUPTIBLE, 5));
	pr_info("var timeout %ld\n", wait_var_event_timeout(&variable, variable == 8, 5));
	clear_and_wake_up_bit(9, &word);
	pr_info("word %lx\n", word);
	return 0;
}
KC_ONCE(kc_init, "waiting for a bit and for a variable");
