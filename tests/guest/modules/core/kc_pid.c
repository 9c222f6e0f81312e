// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/kthread.h>
#include <linux/delay.h>

static int run(void *unused)
{
	while (!kthread_should_stop())
		msleep(10);
	return 0;
}

static int __init kc_init(void)
{
	struct task_struct *t = kthread_run(run, NULL, "kc_pid"), *found;
	struct pid *pid;
	pid_t nr = task_pid_nr(t);

	get_task_struct(t);
	pid = get_task_pid(t, PIDTYPE_PID);
	pr_info("numbers agree %d %d\n", pid_nr(pid) == nr, pid_vnr(pid) == nr);
	found = get_pid_task(pid, PIDTYPE_PID);
	pr_info("found %d\n", found == t);
	put_task_struct(found);
	rcu_read_lock();
	pr_info("find_vpid %d, of nobody %d\n", find_vpid(nr) == pid, find_vpid(4194303) != NULL);
	rcu_read_unlock();
	pr_info("find_get_pid %d\n", find_get_pid(nr) == pid);
	put_pid(pid);
	pr_info("tgid %d, pgid %d, sid %d\n", task_tgid_nr(t) == nr, task_pgrp_vnr(t), task_session_vnr(t));
	kthread_stop(t);
	msleep(20);
	pr_info("ended: task of pid %d, comm still %s, exit state %d\n", pid_task(pid, PIDTYPE_PID) != NULL, t->comm, t->exit_state != 0);
	put_pid(pid);
	put_task_struct(t);
	return 0;
}
KC_ONCE(kc_init, "struct pid");
