// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Hears of modules that come and go, and may refuse one.
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/module.h>
#include <linux/notifier.h>

static char refuse[56] = "-";
module_param_string(refuse, refuse, sizeof(refuse), 0600);

static const char *const states[] = { "live", "coming", "going", "unformed" };
static int hear(struct notifier_block *nb, unsigned long state, void *data)
{
	struct module *mod = data;

	pr_info("%d: %s %s, state %d, own %d, refcount %d, init %s, exports %u, taints %lx\n", nb->priority, mod->name, states[state & 3], mod->state,
		mod == THIS_MODULE, module_refcount(mod), mod->mem[MOD_INIT_TEXT].base ? "there" : "gone", mod->num_syms, mod->taints);
	if (state == MODULE_STATE_COMING && nb->priority == 5 && strcmp(mod->name, refuse) == 0)
		return notifier_from_errno(-EDOM);
	return NOTIFY_OK;
}
static struct notifier_block first = { .notifier_call = hear, .priority = 10 }, second = { .notifier_call = hear, .priority = 5 };

static int __init wt_init(void)
{
	int a = register_module_notifier(&second), b = register_module_notifier(&first);

	pr_info("registered %d %d\n", a, b);
	return 0;
}
static void __exit wt_exit(void)
{
	int a = unregister_module_notifier(&second), b = unregister_module_notifier(&first);

	pr_info("unregistered %d %d %d\n", a, b, unregister_module_notifier(&first));
}
module_init(wt_init);
module_exit(wt_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("hears of modules");
