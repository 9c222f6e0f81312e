// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// A probe on every instruction of a known function, one after the other and all together: the function must do what it does without.
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/kprobes.h>
#include <linux/module.h>
#include "kp.h"

static bool quiet;
static int before(struct kprobe *p, struct pt_regs *regs)
{
	if (!quiet)
		pr_info("  before: at %d, a0 %ld a3 %ld\n", regs->epc == (unsigned long)p->addr, regs->a0, regs->a3);
	return 0;
}
static void after(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
	long moved = regs->epc - (unsigned long)p->addr;

	if (!quiet)
		pr_info("  after: +%ld, a0 %ld a3 %ld, flags %lu\n", moved > -1000 && moved < 1000 ? moved : 1000, regs->a0, regs->a3, flags);
}
static struct { const char *name; char *at; } marks[] = {
#define M(name) { #name, name }
	M(kp_m_add), M(kp_m_auipc), M(kp_m_wide), M(kp_m_branch), M(kp_m_cbeqz), M(kp_m_cbnez), M(kp_m_store), M(kp_m_cj), M(kp_m_cjalr), M(kp_m_jal),
	M(kp_m_cjr), M(kp_m_jalr), M(kp_m_move), M(kp_m_ret), M(kp_m_csr), M(kp_m_fence), M(kp_m_fencei), M(kp_m_lr), M(kp_m_sc), M(kp_m_amo), M(kp_m_ebreak), M(kp_m_cebreak), M(kp_m_caddiw),
	M(kp_m_cmv),
};
static struct kprobe probes[ARRAY_SIZE(marks)];

static int __init kp_init(void)
{
	long word = 0, r;
	int i;

	r = kp_steps(3, &word);
	pr_info("alone: %ld, %ld\n", r, word);
	for (i = 0; i < ARRAY_SIZE(marks); i++) {
		struct kprobe *p = &probes[i];
		u32 old = *(u16 *)marks[i].at;

		p->addr = (void *)marks[i].at;
		p->pre_handler = before;
		p->post_handler = after;
		r = register_kprobe(p);
		pr_info("%s: %ld, offset %u, code %s, opcode %d\n", marks[i].name, r, p->offset, *(u16 *)marks[i].at != old ? "changed" : "the same",
			r == 0 && (p->opcode & 0xffff) == old);
		if (r)
			continue;
		word = 0;
		r = marks[i].at < (char *)kp_refused ? kp_steps(3, &word) : kp_refused();
		pr_info("%s: result %ld, word %ld\n", marks[i].name, r, word);
		unregister_kprobe(p);
		if (*(u16 *)marks[i].at != old)
			pr_info("%s: the code is not as it was\n", marks[i].name);
	}
	quiet = true;
	for (i = 0; i < ARRAY_SIZE(marks); i++) {
		probes[i].addr = (void *)marks[i].at;
		probes[i].flags = 0;
		if (register_kprobe(&probes[i]))
			probes[i].pre_handler = NULL;
	}
	word = 0;
	r = kp_steps(3, &word);
	pr_info("all together: %ld, %ld\n", r, word);
	for (i = 0; i < ARRAY_SIZE(marks); i++)
		if (probes[i].pre_handler)
			unregister_kprobe(&probes[i]);
	r = kp_steps(3, &word);
	pr_info("alone again: %ld\n", r);
	return 0;
}
static void __exit kp_exit(void)
{
}
module_init(kp_init);
module_exit(kp_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("a probe on every instruction");
