// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Return probes on functions of a module: nested calls, a changed result, too few instances, and what cannot have one.
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/kprobes.h>
#include <linux/module.h>
#include "kp.h"

long kp_down(long n);
noinline notrace long kp_down(long n)
{
	if (n == 0)
		return 100;
	n += kp_down(n - 1);
	barrier();
	return n;
}
static int entered(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	*(long *)ri->data = regs->a0;
	pr_info("  entry %ld\n", regs->a0);
	return regs->a0 == 9;
}
static int returned(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	pr_info("  return of %ld: %ld, epc is the return address %d, own function %d\n", *(long *)ri->data, regs_return_value(regs),
		regs->epc == get_kretprobe_retaddr(ri), get_kretprobe(ri)->handler == returned);
	return 0;
}
static int doubled(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	regs_set_return_value(regs, regs_return_value(regs) * 2);
	return 0;
}
static struct kretprobe deep = { .kp.symbol_name = "kp_down", .handler = returned, .entry_handler = entered, .data_size = sizeof(long), .maxactive = 2 };
static struct kretprobe plain = { .kp.symbol_name = "kp_plain", .handler = returned, .entry_handler = entered, .data_size = sizeof(long) };
static struct kretprobe twofold = { .kp.symbol_name = "kp_plain", .handler = doubled };
static struct kretprobe inside = { .kp.symbol_name = "kp_plain", .kp.offset = 2, .handler = returned };
static struct kretprobe traced = { .kp.symbol_name = "kp_traced", .handler = returned };
static struct kretprobe missing = { .kp.symbol_name = "kp_missing", .handler = returned };
static struct kretprobe by_address = { .handler = returned, .entry_handler = entered, .data_size = sizeof(long) };
static struct kretprobe huge = { .kp.symbol_name = "kp_plain", .handler = returned, .data_size = 1 << 20 };

static int __init kp_init(void)
{
	long (*volatile call)(long) = kp_plain;

	pr_info("alone %ld\n", kp_down(3));
	pr_info("down: %d, maxactive %d\n", register_kretprobe(&deep), deep.maxactive);
	pr_info("three deep: %ld, missed %d\n", kp_down(3), deep.nmissed);
	pr_info("entry refuses: %ld\n", kp_down(9));
	unregister_kretprobe(&deep);
	pr_info("missed %d\n", deep.nmissed);
	pr_info("plain: %d, maxactive %d\n", register_kretprobe(&plain), plain.maxactive);
	pr_info("result %ld\n", call(5));
	pr_info("twofold: %d\n", register_kretprobe(&twofold));
	pr_info("result %ld\n", call(5));
	pr_info("disable: %d\n", disable_kretprobe(&twofold));
	pr_info("result %ld\n", call(5));
	pr_info("enable: %d\n", enable_kretprobe(&twofold));
	unregister_kretprobe(&plain);
	pr_info("result %ld\n", call(5));
	unregister_kretprobe(&twofold);
	pr_info("result %ld\n", call(5));
	pr_info("inside: %d\n", register_kretprobe(&inside));
	pr_info("traced: %d\n", register_kretprobe(&traced));
	pr_info("missing: %d\n", register_kretprobe(&missing));
	pr_info("too much data: %d\n", register_kretprobe(&huge));
	by_address.kp.addr = (void *)kp_plain;
	pr_info("by address: %d\n", register_kretprobe(&by_address));
	pr_info("again: %d\n", register_kretprobe(&by_address));
	pr_info("result %ld\n", call(6));
	unregister_kretprobe(&by_address);
	return 0;
}
static void __exit kp_exit(void)
{
}
module_init(kp_init);
module_exit(kp_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("return probes");
