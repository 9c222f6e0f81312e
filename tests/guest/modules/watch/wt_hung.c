// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Tasks that sleep without end where no signal reaches them: a kernel thread, and processes that write to /proc/wt_block.
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>

static DECLARE_COMPLETION(done);
static DECLARE_COMPLETION(unlocked);
static DEFINE_MUTEX(lock);
static struct task_struct *thread;

static noinline void wt_wait(void)
{
	wait_for_completion(&done);
}
static int wt_thread(void *unused)
{
	mutex_lock(&lock);
	wt_wait();
	mutex_unlock(&lock);
	complete(&unlocked);
	return 0;
}
static ssize_t wt_block(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char how;

	if (get_user(how, buf))
		return -EFAULT;
	switch (how) {
	case 'm':	/* for a mutex that the thread has */
		mutex_lock(&lock);
		mutex_unlock(&lock);
		break;
	case 'k':	/* killable sleep is not hung */
		if (wait_for_completion_killable(&done))
			return -EINTR;
		break;
	case 'i':	/* an idle sleep is not hung either */
		__set_current_state(TASK_IDLE);
		schedule_timeout(8 * HZ);
		break;
	case 's':	/* sleeps, but is woken now and then */
		for (int i = 0; i < 16; i++)
			msleep(500);
		break;
	}
	return len;
}
static const struct proc_ops block_ops = { .proc_write = wt_block };
static int end_set(const char *value, const struct kernel_param *kp)
{
	complete_all(&done);
	wait_for_completion(&unlocked);
	return 0;
}
static const struct kernel_param_ops end_ops = { .set = end_set };
module_param_cb(end, &end_ops, NULL, 0200);

static int __init wt_init(void)
{
	if (!proc_create("wt_block", 0222, NULL, &block_ops))
		return -ENOMEM;
	thread = kthread_run(wt_thread, NULL, "wt_thread");
	return PTR_ERR_OR_ZERO(thread);
}
static void __exit wt_exit(void)
{
	remove_proc_entry("wt_block", NULL);
}
module_init(wt_init);
module_exit(wt_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("tasks that hang");
