// Who wants to hear of the end: oops, panic, reboot. crash=1 follows a NULL pointer, crash=2 panics; stop ends the chain at the first block.
#include <linux/kdebug.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/panic_notifier.h>
#include <linux/platform_device.h>
#include <linux/reboot.h>

MODULE_LICENSE("GPL");

static int stop;
module_param(stop, int, 0644);

static int on_die(struct notifier_block *nb, unsigned long value, void *data)
{
	struct die_args *args = data;

	pr_info("die, priority %d: value %lu, '%s', trap %d signal %d, pc in the module %d\n", nb->priority, value, args->str, args->trapnr, args->signr,
		within_module(instruction_pointer(args->regs), THIS_MODULE));
	return stop ? NOTIFY_STOP : NOTIFY_DONE;
}
static int on_panic(struct notifier_block *nb, unsigned long value, void *data)
{
	pr_emerg("panic notifier, priority %d: value %lu, '%s'\n", nb->priority, value, (char *)data);
	return NOTIFY_DONE;
}
static int on_reboot(struct notifier_block *nb, unsigned long value, void *data)
{
	pr_emerg("reboot notifier: value %lu, command '%s'\n", value, data ? (char *)data : "none");
	return NOTIFY_OK;
}
static struct notifier_block die_low = { .notifier_call = on_die, .priority = -5 }, die_high = { .notifier_call = on_die, .priority = 5 };
static struct notifier_block panic_low = { .notifier_call = on_panic, .priority = 1 }, panic_high = { .notifier_call = on_panic, .priority = 100 };
static struct notifier_block reboot = { .notifier_call = on_reboot };

static int crash_set(const char *value, const struct kernel_param *kp)
{
	if (value[0] == '1')
		*(volatile int *)8 = 1;
	panic("asked for by %s", "crash=2");
	return 0;
}
static const struct kernel_param_ops crash_ops = { .set = crash_set };
module_param_cb(crash, &crash_ops, NULL, 0200);

static struct platform_device *pdev;
static int probe(struct platform_device *p)
{
	return 0;
}
static void shut(struct platform_device *p)
{
	dev_emerg(&p->dev, "shutdown\n");
}
static struct platform_driver driver = { .probe = probe, .shutdown = shut, .driver.name = "ldchains" };

static int __init lc_init(void)
{
	register_die_notifier(&die_low);
	register_die_notifier(&die_high);
	atomic_notifier_chain_register(&panic_notifier_list, &panic_low);
	atomic_notifier_chain_register(&panic_notifier_list, &panic_high);
	register_reboot_notifier(&reboot);
	platform_driver_register(&driver);
	pdev = platform_device_register_simple("ldchains", -1, NULL, 0);
	return 0;
}
static void __exit lc_exit(void)
{
	platform_device_unregister(pdev);
	platform_driver_unregister(&driver);
	unregister_reboot_notifier(&reboot);
	atomic_notifier_chain_unregister(&panic_notifier_list, &panic_high);
	atomic_notifier_chain_unregister(&panic_notifier_list, &panic_low);
	unregister_die_notifier(&die_high);
	unregister_die_notifier(&die_low);
}
module_init(lc_init);
module_exit(lc_exit);
