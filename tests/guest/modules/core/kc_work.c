// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/workqueue.h>
#include <linux/delay.h>

struct job {
	struct work_struct work;
	int n;
};
static struct job jobs[3];
static struct work_struct self;
static int rounds;

static void job_fn(struct work_struct *work)
{
	struct job *j = container_of(work, struct job, work);

	pr_info("job %d: in_task %d, kworker %d, pending %d, current_work %d\n", j->n, in_task(),
		!strncmp(current->comm, "kworker/", 8), work_pending(work), current_work() == work);
	if (j->n == 2)
		msleep(20);
}
static void self_fn(struct work_struct *work)
{
	if (++rounds < 3)
		schedule_work(work);
	pr_info("self %d\n", rounds);
}

static int __init kc_init(void)
{
	int i;

	for (i = 0; i < 3; i++) {
		INIT_WORK(&jobs[i].work, job_fn);
		jobs[i].n = i;
	}
	INIT_WORK(&self, self_fn);
	pr_info("pending %d\n", work_pending(&jobs[0].work));
	for (i = 0; i < 3; i++) {
		pr_info("queued %d\n", schedule_work(&jobs[i].work));
		flush_work(&jobs[i].work);
	}
	pr_info("flush of an idle one %d\n", flush_work(&jobs[0].work));
	pr_info("cancel of an idle one %d\n", cancel_work_sync(&jobs[0].work));
	schedule_work(&self);
	msleep(50);
	pr_info("self ran %d times\n", rounds);
	pr_info("busy %u\n", work_busy(&self));
	return 0;
}
KC_ONCE(kc_init, "works on the shared queue");
