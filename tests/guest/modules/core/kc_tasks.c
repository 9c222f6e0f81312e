// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/rcupdate.h>

static int __init kc_init(void)
{
	struct task_struct *p, *t;
	int processes = 0, threads = 0, kernel = 0, leaders = 0, kthreadd = 0, ours = 0;

	pr_info("init_task: %s pid %d mm %d\n", init_task.comm, init_task.pid, init_task.mm != NULL);
	rcu_read_lock();
	for_each_process(p) {
		processes++;
		leaders += p->pid == p->tgid;
		kernel += !p->mm;
		if (p->pid == 2)
			kthreadd = !strcmp(p->comm, "kthreadd");
		ours += p == current;
	}
	for_each_process_thread(p, t)
		threads++;
	rcu_read_unlock();
	pr_info("all processes are leaders %d, pid 2 is kthreadd %d, current seen %d times\n", processes == leaders, kthreadd, ours);
	pr_info("threads at least processes %d, kernel threads some %d\n", threads >= processes, kernel > 0);
	pr_info("pid 1: %d threads\n", get_nr_threads(pid_task(find_vpid(1), PIDTYPE_PID)));
	for (p = current; p != &init_task; p = p->real_parent)
		if (p->pid == 1)
			pr_info("current descends from init\n");
	return 0;
}
KC_ONCE(kc_init, "walking the tasks");
