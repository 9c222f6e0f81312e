// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Writes to the trace buffer in all the ways there are, from a process, a timer and a kernel thread.
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/completion.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/timer.h>

static DECLARE_COMPLETION(done);
static void tick(struct timer_list *t)
{
	trace_printk("from a timer\n");
	complete(&done);
}
static DEFINE_TIMER(timer, tick);
static int wt_thread(void *unused)
{
	trace_printk("from a thread, %s\n", current->comm);
	complete(&done);
	return 0;
}
static noinline void wt_vprintk(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	ftrace_vprintk(fmt, args);
	va_end(args);
}
static int __init wt_init(void)
{
	const char *text = THIS_MODULE->name;
	char changing[] = "on the stack";
	unsigned long flags;

	trace_printk("number %d, %s, %pS, char %c, %#llx\n", 42, text, wt_init, 'x', 1ULL << 40);
	trace_printk("no arguments\n");
	trace_printk("no newline");
	trace_printk("string of the stack: %s\n", changing);
	changing[0] = 'I';
	trace_puts("puts\n");
	__trace_puts(_THIS_IP_, changing, 5);
	wt_vprintk("vprintk %d %s\n", 7, "seven");
	local_irq_save(flags);
	trace_printk("interrupts off\n");
	local_irq_restore(flags);
	pr_info("on %d\n", tracing_is_on());
	tracing_off();
	pr_info("on %d\n", tracing_is_on());
	trace_printk("lost\n");
	tracing_on();
	trace_printk("again\n");
	mod_timer(&timer, jiffies + 2);
	wait_for_completion(&done);
	kthread_run(wt_thread, NULL, "wt_thread");
	wait_for_completion(&done);
	return 0;
}
static void __exit wt_exit(void)
{
	del_timer_sync(&timer);
	trace_printk("exit\n");
}
module_init(wt_init);
module_exit(wt_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("writes to the trace buffer");
