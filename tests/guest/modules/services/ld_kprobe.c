// Probes on functions, on Debian's riscv64 kernel: not at the entry of what can be traced (all of a module, most of the kernel), but on functions of lib/.
// With pre and post handlers, return probes, and what cannot be probed.
#include <linux/kprobes.h>
#include <linux/module.h>

MODULE_LICENSE("GPL");

int ldk_target(int a, int b);
noinline int ldk_target(int a, int b)
{
	pr_info("target %d %d\n", a, b);
	return a * b;
}
static int pre(struct kprobe *p, struct pt_regs *regs)
{
	pr_info("pre %ps at +%ld, offset %u, a2 %ld\n", (void *)instruction_pointer(regs), (long)(instruction_pointer(regs) - (unsigned long)p->addr), p->offset,
		regs->a2);
	return 0;
}
static void post(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
	pr_info("post, gone on %d\n", instruction_pointer(regs) > (unsigned long)p->addr);
}
static int base(struct kprobe *p, struct pt_regs *regs)
{
	regs->a2 = 16;
	return 0;
}
static int entered(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	*(long *)ri->data = regs->a2;
	pr_info("entry %s, a2 %ld\n", get_kretprobe(ri)->kp.symbol_name ?: "by address", regs->a2);
	return regs->a2 == 8;
}
static int returned(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	pr_info("return, was %ld, value %ld\n", *(long *)ri->data, regs_return_value(regs));
	return 0;
}
static struct kprobe entry = { .addr = (void *)ldk_target, .pre_handler = pre };
static struct kprobe named = { .symbol_name = "ldk_target", .pre_handler = pre };
static struct kprobe exported = { .symbol_name = "simple_strtol", .pre_handler = pre, .post_handler = post };
static struct kprobe rebased = { .symbol_name = "simple_strtol", .pre_handler = base };
static struct kprobe none = { .symbol_name = "no_such_function", .pre_handler = pre };
static struct kprobe both = { .symbol_name = "simple_strtol", .addr = (void *)ldk_target, .pre_handler = pre };
static struct kprobe traced = { .symbol_name = "kfree", .pre_handler = pre };
static struct kretprobe ret = { .kp.symbol_name = "simple_strtol", .handler = returned, .entry_handler = entered, .data_size = sizeof(long), .maxactive = 4 };
static struct kretprobe ret_own = { .kp.addr = (void *)ldk_target, .handler = returned, .maxactive = 4 };

static int __init lk_init(void)
{
	int (*volatile call)(int, int) = ldk_target;
	char *end;
	int a, b, c;

	a = register_kprobe(&entry);
	b = register_kprobe(&named);
	c = register_kprobe(&traced);
	pr_info("at an entry: %d %d %d\n", a, b, c);
	a = register_kprobe(&none);
	b = register_kprobe(&both);
	pr_info("missing %d, both %d\n", a, b);
	pr_info("not probed: %d\n", call(3, 4));
	pr_info("exported %d, found %d\n", register_kprobe(&exported), exported.addr != NULL);
	pr_info("strtol %ld\n", simple_strtol("42x", &end, 10));
	pr_info("rebased %d\n", register_kprobe(&rebased));
	pr_info("strtol %ld\n", simple_strtol("42x", &end, 10));
	pr_info("disable %d\n", disable_kprobe(&rebased));
	pr_info("strtol %ld\n", simple_strtol("42x", &end, 10));
	pr_info("enable %d, nobody's %d\n", enable_kprobe(&rebased), disable_kprobe(&none));
	pr_info("strtol %ld\n", simple_strtol("42x", &end, 10));
	unregister_kprobe(&rebased);
	unregister_kprobe(&exported);
	pr_info("strtol %ld\n", simple_strtol("42x", &end, 10));
	a = register_kretprobe(&ret_own);
	b = register_kretprobe(&ret);
	pr_info("return probe %d %d\n", a, b);
	pr_info("strtol %ld\n", simple_strtol("77x", &end, 10));
	pr_info("entry says no: %ld\n", simple_strtol("77x", &end, 8));
	unregister_kretprobe(&ret);
	pr_info("missed %d\n", ret.nmissed);
	return 0;
}
static void __exit lk_exit(void)
{
}
module_init(lk_init);
module_exit(lk_exit);
