// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/timer.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/workqueue.h>
#include <linux/delay.h>

/* The book's PRINT_CTX line without the numbers that differ from run to run. */
static void print_ctx(const char *who)
{
	pr_info("%-8s %s%s%s | %c%c%c%d\n", who, current->mm ? "" : "[", in_task() ? current->comm : "someone", current->mm ? "" : "]",
		irqs_disabled() ? 'd' : '.',
		'.',
		in_hardirq() && in_softirq() ? 'H' : in_hardirq() ? 'h' : in_softirq() ? 's' : '.',
		preempt_count() & 0xff);
}
static void in_timer(struct timer_list *t) { pr_info("timer    %c%c count %x\n", irqs_disabled() ? 'd' : '.', in_softirq() ? 's' : '.', preempt_count()); }
static enum hrtimer_restart in_hr(struct hrtimer *t)
{
	pr_info("hrtimer  %c%c hard %d\n", irqs_disabled() ? 'd' : '.', in_hardirq() ? 'h' : '.', !!in_hardirq());
	return HRTIMER_NORESTART;
}
static void in_work(struct work_struct *w) { pr_info("work     in_task %d atomic %d\n", in_task(), in_atomic()); }
static int in_thread(void *unused) { print_ctx("thread"); return 0; }

static struct timer_list timer;
static struct hrtimer hr;
static DECLARE_WORK(work, in_work);

static int __init kc_init(void)
{
	unsigned long flags;

	print_ctx("init");
	local_irq_save(flags);
	print_ctx("irq off");
	local_irq_restore(flags);
	local_bh_disable();
	print_ctx("bh off");
	local_bh_enable();
	timer_setup(&timer, in_timer, 0);
	mod_timer(&timer, jiffies + 1);
	msleep(20);
	hrtimer_init(&hr, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	hr.function = in_hr;
	hrtimer_start(&hr, ms_to_ktime(1), HRTIMER_MODE_REL);
	msleep(20);
	schedule_work(&work);
	flush_work(&work);
	kthread_run(in_thread, NULL, "kc_ctx");
	msleep(20);
	return 0;
}
static void __exit kc_exit(void)
{
	print_ctx("exit");
}
KC_MODULE(kc_init, kc_exit, "contexts");
