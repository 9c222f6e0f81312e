// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// What the probes look at: functions whose instructions are known, and marks between them. A mark is where an instruction begins.
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/module.h>
#include "kp.h"

/* Not traced: what can be probed at its entry. */
asm(".text\n.balign 4\n.option push\n.option rvc\n"
    ".globl kp_m_add, kp_m_auipc, kp_m_wide, kp_m_branch, kp_m_cbeqz, kp_m_cbnez, kp_m_store, kp_m_cj, kp_m_cjalr, kp_m_jal, kp_m_cjr\n"
    ".globl kp_m_jalr, kp_m_move, kp_m_ret, kp_m_csr, kp_m_fence, kp_m_fencei, kp_m_lr, kp_m_sc, kp_m_amo, kp_m_ebreak, kp_m_cebreak, kp_m_caddiw, kp_m_cmv\n"
    ".globl kp_steps\n.type kp_steps, @function\n"
    "kp_steps:\n"			/* a0: input, a1: where to write; every kind of instruction that a probe deals with itself */
    "	addi sp, sp, -16\n"
    "	sd ra, 8(sp)\n"
    "	li a3, 0\n"
    "kp_m_add:	add a0, a0, a0\n"
    "kp_m_auipc:	auipc a2, 0\n"
    "	.option push\n.option norvc\n"
    "kp_m_wide:	addi a3, a0, 100\n"
    "kp_m_branch:	beq a0, a3, 1f\n"
    "	.option pop\n"
    "kp_m_cbeqz:	c.beqz a0, 1f\n"
    "kp_m_cbnez:	c.bnez a0, 2f\n"
    "1:	li a3, -1\n"
    "2:\n"
    "kp_m_store:	sd a3, 0(a1)\n"
    "kp_m_cj:	c.j 3f\n"
    "	li a3, -2\n"
    "3:\n"
    "	la t1, 4f\n"
    "kp_m_cjalr:	c.jalr t1\n"
    "kp_m_jal:	jal ra, 4f\n"
    "	la t1, 5f\n"
    "kp_m_cjr:	c.jr t1\n"
    "	li a3, -3\n"
    "4:	addi a3, a3, 1\n"
    "	ret\n"
    "5:	la t1, 4b\n"
    "	.option push\n.option norvc\n"
    "kp_m_jalr:	jalr ra, t1, 0\n"
    "	.option pop\n"
    "	ld ra, 8(sp)\n"
    "	addi sp, sp, 16\n"
    "kp_m_move:	mv a0, a3\n"
    "kp_m_ret:	ret\n"
    ".size kp_steps, . - kp_steps\n"
    ".globl kp_refused\n.type kp_refused, @function\n"
    "kp_refused:\n"
    "	.option push\n.option norvc\n"
    "	li a0, 5\n"
    "	li a3, 0\n"
    "kp_m_csr:	csrr a1, sstatus\n"
    "kp_m_fence:	fence rw, rw\n"
    "kp_m_fencei:	fence.i\n"
    "kp_m_lr:	lr.w a2, (sp)\n"
    "kp_m_sc:	sc.w a2, a2, (sp)\n"
    "kp_m_amo:	amoadd.w a2, zero, (sp)\n"
    "	j 1f\n"
    "kp_m_ebreak:	ebreak\n"
    "	.option pop\n"
    "kp_m_cebreak:	c.ebreak\n"
    "1:\n"
    "kp_m_caddiw:	c.addiw a0, 1\n"
    "kp_m_cmv:	c.mv a2, a0\n"
    "	ret\n"
    ".size kp_refused, . - kp_refused\n"
    ".option pop\n");

int kp_traced(int a, int b);
noinline int kp_traced(int a, int b)
{
	pr_info("traced %d %d\n", a, b);
	return a * b;
}
noinline notrace long kp_plain(long a)
{
	pr_info("plain %ld\n", a);
	return a + 1;
}
noinline notrace long kp_loads(long *at)
{
	return READ_ONCE(*at);
}
EXPORT_SYMBOL_GPL(kp_traced);
EXPORT_SYMBOL_GPL(kp_plain);
EXPORT_SYMBOL_GPL(kp_loads);
EXPORT_SYMBOL_GPL(kp_steps);
EXPORT_SYMBOL_GPL(kp_refused);
#define MARK(name) extern char name[]; EXPORT_SYMBOL_GPL(name)
MARK(kp_m_add); MARK(kp_m_auipc); MARK(kp_m_wide); MARK(kp_m_branch); MARK(kp_m_cbeqz); MARK(kp_m_cbnez); MARK(kp_m_store); MARK(kp_m_cj);
MARK(kp_m_cjalr); MARK(kp_m_jal); MARK(kp_m_cjr); MARK(kp_m_jalr); MARK(kp_m_move); MARK(kp_m_ret); MARK(kp_m_csr); MARK(kp_m_fence);
MARK(kp_m_fencei); MARK(kp_m_lr); MARK(kp_m_sc); MARK(kp_m_amo); MARK(kp_m_ebreak); MARK(kp_m_cebreak); MARK(kp_m_caddiw); MARK(kp_m_cmv);

static int call_set(const char *value, const struct kernel_param *kp)
{
	long word = 7, r;

	if (value[0] == 's') {
		r = kp_steps(value[1] - '0', &word);
		pr_info("steps %ld, word %ld\n", r, word);
	} else if (value[0] == 'p') {
		pr_info("result %ld\n", kp_plain(value[1] - '0'));
	} else {
		pr_info("result %d\n", kp_traced(value[1] - '0', 2));
	}
	return 0;
}
static const struct kernel_param_ops call_ops = { .set = call_set };
module_param_cb(call, &call_ops, NULL, 0200);

static int __init kp_init(void)
{
	return 0;
}
static void __exit kp_exit(void)
{
}
module_init(kp_init);
module_exit(kp_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("what the probes look at");
