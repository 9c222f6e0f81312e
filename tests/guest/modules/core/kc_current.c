// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/cred.h>
#include <linux/uidgid.h>

static void show(const char *when)
{
	char comm[TASK_COMM_LEN];
	unsigned long here = (unsigned long)&comm;

	get_task_comm(comm, current);
	pr_info("%s: %s, pid is tgid %d, uid %u euid %u, root %d\n", when, comm, task_pid_nr(current) == task_tgid_nr(current),
		from_kuid(&init_user_ns, current_uid()), from_kuid(&init_user_ns, current_euid()), uid_eq(current_euid(), GLOBAL_ROOT_UID));
	pr_info("sizeof(struct task_struct) %zu, stack holds this %d, prio %d, in_task %d, threads %d\n", sizeof(struct task_struct),
		here > (unsigned long)task_stack_page(current) && here < (unsigned long)task_stack_page(current) + THREAD_SIZE, current->prio,
		in_task(), get_nr_threads(current));
	pr_info("mm %d, start_code < end_code %d, tgid leader %d, state %u\n", current->mm != NULL,
		current->mm->start_code < current->mm->end_code, thread_group_leader(current), READ_ONCE(current->__state));
	task_lock(current);
	pr_info("task_lock: comm %s\n", current->comm);
	task_unlock(current);
}

static int __init kc_init(void)
{
	show("init");
	return 0;
}
static void __exit kc_exit(void)
{
	show("exit");
}
KC_MODULE(kc_init, kc_exit, "current");
