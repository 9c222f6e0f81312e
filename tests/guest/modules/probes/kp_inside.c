// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Where a probe may be, by name and offset and by address; several on one instruction; what a handler that changes registers brings about.
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/hardirq.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/slab.h>
#include "kp.h"

static int before(struct kprobe *p, struct pt_regs *regs)
{
	pr_info("  before (%d): a0 %ld, irqs off %d, nmi %d, task %d, status %lx\n", (int)p->offset, regs->a0, irqs_disabled(), !!in_nmi(), in_task(),
		regs->status & (SR_SPP | SR_SPIE | SR_SIE));
	return 0;
}
static void after(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
	pr_info("  after: +%ld a0 %ld\n", (long)(regs->epc - (unsigned long)p->addr), regs->a0);
}
static int change(struct kprobe *p, struct pt_regs *regs)
{
	regs->a0 = 40;
	return 0;
}
static int skip(struct kprobe *p, struct pt_regs *regs)
{
	pr_info("  function left out\n");
	regs->a0 = 99;
	regs->epc = regs->ra;
	return 1;
}
static int again(struct kprobe *p, struct pt_regs *regs)
{
	pr_info("  inside a handler: %ld\n", kp_plain(50));
	return 0;
}
static void try(const char *what, struct kprobe *p)
{
	int r;

	if (!p->pre_handler)
		p->pre_handler = before;
	r = register_kprobe(p);
	pr_info("%s: %d, offset %u\n", what, r, p->offset);
	if (r == 0)
		unregister_kprobe(p);
}
static int offset_of(char *mark)
{
	return (int)(mark - (char *)kp_steps);
}

static int __init kp_init(void)
{
	static struct kprobe own_init = { .symbol_name = "kp_init" }, data = { .addr = (void *)&own_init };
	static struct kprobe p1 = { .pre_handler = before, .post_handler = after }, p2 = { .pre_handler = change, .post_handler = after }, p3 = { .pre_handler = skip };
	static struct kprobe nest = { .pre_handler = again }, twice = { .pre_handler = before };
	void *heap = kzalloc(64, GFP_KERNEL);
	long word, r;
	int i;

	static struct { const char *what; struct kprobe p; } cases[] = {
		{ "name and offset 0, not traced", { .symbol_name = "kp_plain" } },
		{ "name, traced", { .symbol_name = "kp_traced" } },
		{ "name and module", { .symbol_name = "kp_target:kp_plain" } },
		{ "name and another module", { .symbol_name = "kp_inside:kp_plain" } },
		{ "traced +2", { .symbol_name = "kp_traced", .offset = 2 } },
		{ "traced +4", { .symbol_name = "kp_traced", .offset = 4 } },
		{ "traced +8", { .symbol_name = "kp_traced", .offset = 8 } },
		{ "plain +1", { .symbol_name = "kp_plain", .offset = 1 } },
		{ "no such name", { .symbol_name = "kp_missing" } },
		{ "an empty name", { .symbol_name = "" } },
		{ "address 0 and no name", { .offset = 4 } },
		{ "a user address", { .addr = (void *)0x10000 } },
		{ "far away", { .symbol_name = "kp_plain", .offset = 0x100000 } },
		{ "a kernel variable", { .symbol_name = "jiffies" } },
	};

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		try(cases[i].what, &cases[i].p);
	try("own init, traced", &own_init);
	own_init = (struct kprobe){ .symbol_name = "kp_init", .offset = 8 };
	try("own init +8", &own_init);
	try("own data", &data);
	data = (struct kprobe){ .addr = heap };
	try("heap", &data);
	data = (struct kprobe){ .symbol_name = "kp_steps", .offset = offset_of(kp_m_wide) + 2 };
	try("the middle of an instruction by name", &data);
	data = (struct kprobe){ .addr = (void *)(kp_m_wide + 2) };
	r = register_kprobe(&data);
	pr_info("the middle of an instruction by address: %ld\n", r);
	if (r == 0)
		unregister_kprobe(&data);

	p1.symbol_name = p2.symbol_name = "kp_steps";
	p1.offset = p2.offset = offset_of(kp_m_add);
	r = register_kprobe(&p1);
	pr_info("one: %ld, at the mark %d\n", r, (void *)p1.addr == (void *)kp_m_add);
	r = register_kprobe(&p1);
	pr_info("the same again: %ld\n", r);
	word = 0;
	r = kp_steps(3, &word);
	pr_info("result %ld\n", r);
	pr_info("two: %d\n", register_kprobe(&p2));
	r = kp_steps(3, &word);
	pr_info("result %ld\n", r);
	pr_info("disable: %d\n", disable_kprobe(&p1));
	r = kp_steps(3, &word);
	pr_info("result %ld\n", r);
	pr_info("disable both: %d, code is %s\n", disable_kprobe(&p2), (*(u16 *)kp_m_add & 0xffff) == 0x9002 ? "a break" : "its own");
	r = kp_steps(3, &word);
	pr_info("result %ld\n", r);
	pr_info("enable: %d\n", enable_kprobe(&p2));
	r = kp_steps(3, &word);
	pr_info("result %ld\n", r);
	unregister_kprobe(&p2);
	pr_info("enable: %d\n", enable_kprobe(&p1));
	r = kp_steps(3, &word);
	pr_info("result %ld\n", r);
	unregister_kprobe(&p1);
	r = kp_steps(3, &word);
	pr_info("result %ld\n", r);
	pr_info("disable one that is gone: %d\n", disable_kprobe(&p1));

	p3.addr = (void *)kp_plain;
	pr_info("leaves out: %d\n", register_kprobe(&p3));
	pr_info("result %ld\n", kp_plain(1));
	unregister_kprobe(&p3);
	pr_info("result %ld\n", kp_plain(1));

	nest.symbol_name = "kp_steps";
	nest.offset = offset_of(kp_m_move);
	twice.addr = (void *)kp_plain;
	pr_info("nested: %d %d\n", register_kprobe(&nest), register_kprobe(&twice));
	r = kp_steps(3, &word);
	pr_info("result %ld, missed %lu %lu\n", r, nest.nmissed, twice.nmissed);
	unregister_kprobe(&nest);
	unregister_kprobe(&twice);
	kfree(heap);
	return 0;
}
static void __exit kp_exit(void)
{
}
module_init(kp_init);
module_exit(kp_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("probes inside functions");
