// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Panics in every context, and hears of it.
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/kdebug.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/panic_notifier.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/timer.h>

static char how[16];

static int hear(struct notifier_block *nb, unsigned long value, void *text)
{
	pr_emerg("%s: notifier %d, value %lu, text '%s', exiting %d, comm %s, in_task %d\n", how, nb->priority, value, (char *)text,
		!!(current->flags & PF_EXITING), current->comm, in_task());
	return NOTIFY_DONE;
}
static int hear_die(struct notifier_block *nb, unsigned long value, void *args)
{
	pr_emerg("%s: die notifier, value %lu, exiting %d, comm %s\n", how, value, !!(current->flags & PF_EXITING), current->comm);
	return NOTIFY_DONE;
}
static struct notifier_block first = { .notifier_call = hear, .priority = 9 }, second = { .notifier_call = hear, .priority = 3 };
static struct notifier_block on_die = { .notifier_call = hear_die };

static void fail(void)
{
	if (how[1] == 'o')
		*(volatile int *)8 = 0;
	panic("told to, %s", how);
}
static int pn_release(struct inode *inode, struct file *file)
{
	if (how[0] == 'r')
		fail();
	return 0;
}
static const struct proc_ops ops = { .proc_release = pn_release };
static void tick(struct timer_list *t)
{
	fail();
}
static DEFINE_TIMER(timer, tick);
static int thread(void *unused)
{
	fail();
	return 0;
}
static int how_set(const char *value, const struct kernel_param *kp)
{
	strscpy(how, value, sizeof(how));
	strim(how);
	pr_emerg("how: %s\n", how);
	switch (how[0]) {
	case 'c':	/* in the call */
		fail();
		break;
	case 't':
		mod_timer(&timer, jiffies + 2);
		break;
	case 'h':	/* hangs, and tells nobody */
		set_current_state(TASK_UNINTERRUPTIBLE);
		schedule();
		break;
	case 's':	/* keeps the CPU */
		for (;;)
			cpu_relax();
	case 'k':
		kthread_run(thread, NULL, "pn_thread");
		break;
	}
	return 0;
}
static const struct kernel_param_ops how_ops = { .set = how_set };
module_param_cb(how, &how_ops, NULL, 0200);

static int __init pn_init(void)
{
	atomic_notifier_chain_register(&panic_notifier_list, &second);
	atomic_notifier_chain_register(&panic_notifier_list, &first);
	register_die_notifier(&on_die);
	return proc_create("pn_file", 0444, NULL, &ops) ? 0 : -ENOMEM;
}
static void __exit pn_exit(void)
{
}
module_init(pn_init);
module_exit(pn_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("panics in every context");
