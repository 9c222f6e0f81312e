/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the small modules of this folder share. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/module.h>

#define KC_MODULE(init, exit, what)	\
	module_init(init);		\
	module_exit(exit);		\
	MODULE_LICENSE("GPL");		\
	MODULE_DESCRIPTION(what)

/* A module whose init does everything. */
#define KC_ONCE(init, what)				\
	static void __exit kc_nothing(void) { }		\
	KC_MODULE(init, kc_nothing, what)
