// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The memory and string functions, called as functions: what they give, what they leave around, and probes at their entries. */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

/* Through pointers, so that the compiler has nothing to say. */
static void *(*volatile set)(void *, int, size_t) = memset;
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;
static void *(*volatile move)(void *, const void *, size_t) = memmove;
static int (*volatile compare)(const void *, const void *, size_t) = memcmp;
static size_t (*volatile length)(const char *) = strlen;
static int (*volatile order)(const char *, const char *) = strcmp;

#define ROOM 8192
static u8 *buf;

static u32 sum(void)
{
	u32 s = 0;
	int i;

	for (i = 0; i < ROOM; i++)
		s = s * 31 + buf[i];
	return s;
}
static void fill(void)
{
	int i;

	for (i = 0; i < ROOM; i++)
		buf[i] = i * 7 + i / 256;
}
static int sign(int n)
{
	return n < 0 ? -1 : n > 0;
}
static void results(void)
{
	static const int at[] = { 0, 1, 3, 8, 61, 4090, 4096 };
	static const int sizes[] = { 0, 1, 7, 8, 9, 31, 64, 100, 1000 };
	int i, k, n;

	for (i = 0; i < ARRAY_SIZE(at); i++)
		for (k = 0; k < ARRAY_SIZE(sizes); k++) {
			n = sizes[k];
			fill();
			if (set(buf + at[i], 0x1a5 + i, n) != buf + at[i])
				pr_info("memset gives something else\n");
			copy(buf + 6000, buf + at[i] + 3, n);
			move(buf + at[i] + 5, buf + at[i], n);
			move(buf + at[i], buf + at[i] + 2, n);
			pr_info("%d+%d: %08x\n", at[i], n, sum());
		}
	for (i = 0; i < 40; i += 3) {
		fill();
		copy(buf + 4000, buf, 200);
		buf[4000 + i] ^= i % 2 ? 0x81 : 0x01;
		buf[i + 50] = 0;
		buf[4000 + i + 50] = 0;
		pr_info("%d: memcmp %d %d, strlen %zu, strcmp %d %d\n", i, sign(compare(buf, buf + 4000, 40)), compare(buf, buf + 4000, i), length(buf + 1),
			sign(order(buf + 1, buf + 4001)), sign(order(buf + 4001, buf + 1)));
	}
}

static int entered, left;
static int entry(struct kprobe *p, struct pt_regs *regs)
{
	/* The kernel calls it, too. */
	if (regs->a0 >= (unsigned long)buf && regs->a0 < (unsigned long)buf + ROOM)
		entered++;
	return 0;
}
static int mine(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return regs->a0 != (unsigned long)buf;
}
static int returned(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	left += regs_return_value(regs);
	return 0;
}
static struct kprobe kp_set = { .symbol_name = "memset", .pre_handler = entry };
static struct kretprobe krp_length = { .kp.symbol_name = "strlen", .entry_handler = mine, .handler = returned };
static void probes(void)
{
	int r, q;

	r = register_kprobe(&kp_set);
	q = register_kretprobe(&krp_length);
	pr_info("registered: %d %d\n", r, q);
	entered = left = 0;
	set(buf, 'x', 5);
	set(buf + 5, 0, 1);
	pr_info("length %zu; entered %d, left %d\n", length(buf), entered, left);
	if (!r)
		disable_kprobe(&kp_set);
	set(buf, 'y', 3);
	pr_info("disabled: entered %d\n", entered);
	if (!r)
		unregister_kprobe(&kp_set);
	if (!q)
		unregister_kretprobe(&krp_length);
	set(buf + 2, 0, 1);
	pr_info("length %zu; entered %d, left %d, buffer %s\n", length(buf), entered, left, buf);
}

static int __init ks_text_init(void)
{
	buf = kmalloc(ROOM, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	results();
	probes();
	results();
	kfree(buf);
	return 0;
}
static void __exit ks_text_exit(void)
{
}
module_init(ks_text_init);
module_exit(ks_text_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("memory and string functions, called");
