// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/jump_label.h>
#include <linux/moduleparam.h>

DEFINE_STATIC_KEY_FALSE(off);
DEFINE_STATIC_KEY_TRUE(on);
static noinline int likely_off(void) { return static_branch_likely(&off) ? 1 : 0; }
static noinline int unlikely_off(void) { return static_branch_unlikely(&off) ? 1 : 0; }
static noinline int likely_on(void) { return static_branch_likely(&on) ? 1 : 0; }
static noinline int unlikely_on(void) { return static_branch_unlikely(&on) ? 1 : 0; }
static void show(const char *what)
{
	pr_info("%s: off %d %d, on %d %d; counts %d %d\n", what, likely_off(), unlikely_off(), likely_on(), unlikely_on(),
		static_key_count(&off.key), static_key_count(&on.key));
}
/* /sys/module/kl_static/parameters/key turns the key while the module is there. */
static int set(const char *val, const struct kernel_param *kp)
{
	bool b;
	int r = kstrtobool(val, &b);

	if (r)
		return r;
	if (b)
		static_branch_enable(&off);
	else
		static_branch_disable(&off);
	show("set");
	return 0;
}
static int get(char *buf, const struct kernel_param *kp)
{
	return sprintf(buf, "%d\n", unlikely_off());
}
static const struct kernel_param_ops ops = { .set = set, .get = get };
module_param_cb(key, &ops, NULL, 0644);

static int __init kc_init(void)
{
	show("start");
	static_branch_enable(&off);
	show("enabled");
	static_branch_enable(&off);
	static_branch_disable(&on);
	show("disabled");
	static_branch_disable(&off);
	static_branch_inc(&off);
	static_branch_inc(&off);
	show("inc twice");
	static_branch_dec(&off);
	show("dec");
	static_branch_dec(&off);
	show("dec twice");
	return 0;
}
static void __exit kc_exit(void)
{
	show("exit");
}
KC_MODULE(kc_init, kc_exit, "static keys");
