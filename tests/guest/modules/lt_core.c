// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Exports functions and data to the modules above it. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include "lt_stack.h"

int lt_counter = 100;
EXPORT_SYMBOL(lt_counter);

const char lt_text[] = "text of lt_core";
EXPORT_SYMBOL_GPL(lt_text);

int lt_add(int a, int b)
{
	lt_counter++;
	return a + b;
}
EXPORT_SYMBOL(lt_add);

long lt_sum(const struct lt_pair *pairs, int n)
{
	long sum = 0;

	while (n-- > 0)
		sum += lt_add(pairs[n].a, pairs[n].b);
	return sum;
}
EXPORT_SYMBOL_GPL(lt_sum);

static int __init lt_core_init(void)
{
	pr_info("init, counter %d\n", lt_counter);
	return 0;
}

static void __exit lt_core_exit(void)
{
	pr_info("exit, counter %d\n", lt_counter);
}

module_init(lt_core_init);
module_exit(lt_core_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("exports");
