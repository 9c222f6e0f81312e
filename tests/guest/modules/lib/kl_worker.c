// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/kthread.h>
#include <linux/completion.h>
#include <linux/delay.h>

static int ran;
static struct kthread_worker *worker;
static void work_fn(struct kthread_work *work)
{
	ran++;
	pr_info("work %d in %s\n", ran, current->comm);
}
static DECLARE_COMPLETION(started);
static DECLARE_COMPLETION(go);
static void slow_fn(struct kthread_work *work)
{
	pr_info("slow begins\n");
	complete(&started);
	wait_for_completion(&go);
	pr_info("slow ends\n");
}
static void again_fn(struct kthread_work *work)
{
	if (++ran < 14)
		kthread_queue_work(worker, work);
}
static DEFINE_KTHREAD_WORK(work, work_fn);
static DEFINE_KTHREAD_WORK(slow, slow_fn);
static DEFINE_KTHREAD_WORK(again, again_fn);
static DEFINE_KTHREAD_DELAYED_WORK(later, work_fn);

static int __init kc_init(void)
{
	worker = kthread_create_worker(0, "lt_%s/%d", "worker", 7);
	pr_info("created %d\n", !IS_ERR(worker));
	kthread_queue_work(worker, &slow);
	wait_for_completion(&started);
	pr_info("queue %d", kthread_queue_work(worker, &work));
	pr_cont(" %d\n", kthread_queue_work(worker, &work));
	complete(&go);
	kthread_flush_work(&work);
	pr_info("ran %d\n", ran);
	kthread_queue_work(worker, &slow);
	wait_for_completion(&started);
	kthread_queue_work(worker, &work);
	complete(&go);
	kthread_flush_worker(worker);
	pr_info("flushed, ran %d\n", ran);
	kthread_queue_work(worker, &slow);
	wait_for_completion(&started);
	kthread_queue_work(worker, &work);
	pr_info("cancel waiting %d\n", kthread_cancel_work_sync(&work));
	complete(&go);
	pr_info("cancel running %d\n", kthread_cancel_work_sync(&slow));
	pr_info("cancel idle %d\n", kthread_cancel_work_sync(&work));
	pr_info("delayed %d", kthread_queue_delayed_work(worker, &later, 5));
	pr_cont(" %d\n", kthread_queue_delayed_work(worker, &later, 5));
	msleep(500);
	pr_info("ran %d\n", ran);
	kthread_queue_delayed_work(worker, &later, 1000);
	pr_info("modified %d\n", kthread_mod_delayed_work(worker, &later, 2));
	msleep(500);
	pr_info("ran %d\n", ran);
	kthread_queue_delayed_work(worker, &later, 1000);
	pr_info("cancel delayed %d\n", kthread_cancel_delayed_work_sync(&later));
	ran = 10;
	kthread_queue_work(worker, &again);
	msleep(300);
	kthread_destroy_worker(worker);
	pr_info("destroyed, ran %d\n", ran);
	return 0;
}
KC_ONCE(kc_init, "kthread workers");
