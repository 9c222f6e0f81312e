// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/kmod.h>
#include <linux/moduleparam.h>

static char *name = "no-such-module";
module_param(name, charp, 0);
static int __init kc_init(void)
{
	int r = request_module("%s", name);

	pr_info("request %s: %s\n", name, r == 0 ? "loaded" : "not loaded");
	return 0;
}
KC_ONCE(kc_init, "asking for a module");
