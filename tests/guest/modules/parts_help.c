// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <linux/module.h>

int parts_help(int n);

static noinline int helper(const int *table, int i)
{
	return table[i & 3];
}

int parts_help(int n)
{
	static const int table[] = { 5, 6, 7, 8 };

	/* A jump table: PC-relative code and data of its own. */
	switch (n % 7) {
	case 0: return helper(table, 0);
	case 1: return helper(table, 1) + 10;
	case 2: return helper(table, 2) + 20;
	case 3: return helper(table, 3) + 30;
	case 4: return helper(table, 0) + 40;
	case 5: return helper(table, 1) + 50;
	default: return helper(table, 2) + 60;
	}
}
