// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* A module that calls a list of functions through pointers in data: absolute relocations, and constructors of nothing. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

static int one(int n) { return n + 1; }
static int two(int n) { return n * 2; }
static int three(int n) { return -n; }

struct step {
	const char *name;
	int (*run)(int n);
	const struct step *next;
};

static const struct step last = { "three", three, NULL };
static const struct step middle = { "two", two, &last };
static const struct step first = { "one", one, &middle };
static const struct step *head = &first;

static int __init lt_many_init(void)
{
	const struct step *s;
	int n = 20;

	for (s = head; s; s = s->next) {
		n = s->run(n);
		pr_info("%s gives %d\n", s->name, n);
	}
	pr_info("this module is '%s', state %d\n", THIS_MODULE->name, THIS_MODULE->state);
	return 0;
}

static void __exit lt_many_exit(void)
{
	pr_info("%s leaves in state %d\n", module_name(THIS_MODULE), THIS_MODULE->state);
}

module_init(lt_many_init);
module_exit(lt_many_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("function pointers");
MODULE_ALIAS("lintel-many");
MODULE_SOFTDEP("pre: lt_core");
MODULE_INFO(lintel, "own information");
