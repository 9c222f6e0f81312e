// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Probes that stay: by parameters, for what debugfs shows, and for a probed module that goes first.
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/kprobes.h>
#include <linux/module.h>

static int before(struct kprobe *p, struct pt_regs *regs)
{
	pr_info("hit %s+%u, a0 %ld\n", p->symbol_name, p->offset, regs->a0);
	return 0;
}
static int returned(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	pr_info("returns %ld\n", regs_return_value(regs));
	return 0;
}
static struct kprobe one = { .symbol_name = "kp_plain", .pre_handler = before };
static struct kprobe two = { .symbol_name = "kp_plain", .offset = 2, .pre_handler = before };
static struct kprobe kernel = { .symbol_name = "simple_strtol", .pre_handler = before };
static struct kretprobe back = { .kp.symbol_name = "kp_plain", .handler = returned };

static int able_set(const char *value, const struct kernel_param *kp)
{
	pr_info("able %c: %d\n", value[0], value[0] == '0' ? disable_kprobe(&two) : enable_kprobe(&two));
	return 0;
}
static const struct kernel_param_ops able_ops = { .set = able_set };
module_param_cb(able, &able_ops, NULL, 0200);

static int __init kp_init(void)
{
	pr_info("%d\n", register_kprobe(&one));
	pr_info("%d\n", register_kprobe(&two));
	pr_info("%d\n", register_kprobe(&kernel));
	pr_info("%d\n", register_kretprobe(&back));
	return 0;
}
static void __exit kp_exit(void)
{
	unregister_kretprobe(&back);
	unregister_kprobe(&kernel);
	unregister_kprobe(&two);
	unregister_kprobe(&one);
	pr_info("gone\n");
}
module_init(kp_init);
module_exit(kp_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("probes that stay");
