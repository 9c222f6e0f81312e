// Who runs module code, at each end.
#include <linux/cred.h>
#include <linux/module.h>
#include <linux/sched.h>

MODULE_LICENSE("GPL");

static void show(const char *where)
{
	pr_info("%s: %s context, PID is TGID %d, UID %u EUID %u (%s root), name %s, kernel thread %d, atomic %d, interrupts off %d, stack aligned %d\n", where,
		in_task() ? "process" : "interrupt", task_pid_nr(current) == task_tgid_nr(current), from_kuid(&init_user_ns, current_uid()),
		from_kuid(&init_user_ns, current_euid()), from_kuid(&init_user_ns, current_euid()) ? "not" : "have", current->comm, current->mm == NULL, in_atomic() != 0,
		irqs_disabled(), ((unsigned long)current->stack & (THREAD_SIZE - 1)) == 0);
}
static int __init jo_affairs_init(void)
{
	pr_info("sizeof(struct task_struct)=%zu\n", sizeof(struct task_struct));
	show("init");
	return 0;
}
static void __exit jo_affairs_exit(void)
{
	show("exit");
}
module_init(jo_affairs_init);
module_exit(jo_affairs_exit);
