// All processes and all threads, counted; those named `sleep` one by one.
#include <linux/module.h>
#include <linux/sched/signal.h>

MODULE_LICENSE("GPL");

static int __init jo_tasks_init(void)
{
	struct task_struct *p, *t;
	int processes = 0, threads = 0, kernel = 0, leaders = 0;

	rcu_read_lock();
	for_each_process(p) {
		processes++;
		leaders += p->pid == p->tgid;
		if (!strcmp(p->comm, "sleep"))
			pr_info("%-16s TGID is PID %d, real UID %u, effective UID %u, threads %d\n", p->comm, p->tgid == p->pid, __kuid_val(p->cred->uid),
				__kuid_val(p->cred->euid), get_nr_threads(p));
	}
	for_each_process_thread(p, t) {
		threads++;
		task_lock(t);
		kernel += t->mm == NULL;
		task_unlock(t);
	}
	rcu_read_unlock();
	pr_info("idle %d [%s]\n", init_task.pid, init_task.comm);
	pr_info("all are leaders %d\n", leaders == processes);
	pr_info("processes %d threads %d user %d\n", processes, threads, threads - kernel);
	return 0;
}
static void __exit jo_tasks_exit(void)
{
}
module_init(jo_tasks_init);
module_exit(jo_tasks_exit);
