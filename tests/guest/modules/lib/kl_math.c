// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/gcd.h>
#include <linux/lcm.h>
#include <linux/int_log.h>
#include <linux/kernel.h>
#include <linux/math.h>
#include <linux/rational.h>
#include <linux/reciprocal_div.h>
#include <linux/linear_range.h>
#include <linux/ctype.h>

static void rational(unsigned long n, unsigned long d, unsigned long max_n, unsigned long max_d)
{
	unsigned long bn, bd;

	rational_best_approximation(n, d, max_n, max_d, &bn, &bd);
	pr_info("%lu/%lu within %lu, %lu: %lu/%lu\n", n, d, max_n, max_d, bn, bd);
}
static int __init kc_init(void)
{
	static const struct linear_range range = { .min = 1000, .min_sel = 4, .max_sel = 20, .step = 25 };
	unsigned int value, i, sum = 0;
	char line[128];
	int at = 0;

	pr_info("gcd %lu %lu %lu %lu\n", gcd(84, 36), gcd(0, 5), gcd(17, 31), gcd(1UL << 40, 3UL << 30));
	pr_info("lcm %lu %lu %lu\n", lcm(4, 6), lcm(0, 5), lcm_not_zero(0, 5));
	pr_info("int_sqrt %lu %lu %lu %lu\n", int_sqrt(0), int_sqrt(99), int_sqrt(100), int_sqrt(~0UL));
	pr_info("int_pow %llu %llu\n", int_pow(3, 13), int_pow(10, 19));
	for (i = 1; i < 3000000000u / 5 * 3; i = i * 5 + 3)
		pr_info("log %u: %u %u\n", i, intlog2(i), intlog10(i));
	for (i = 1; i < 100000; i += 7)
		sum = sum * 31 + intlog2(i * 40503);
	pr_info("logs %u\n", sum);
	rational(314159265, 100000000, 255, 255);
	rational(1536, 19200, 31, 31);
	rational(1000, 7, 100, 3);
	rational(255, 100, 31, 8);
	rational(1, 1000, 10, 100);
	rational(0, 5, 10, 10);
	for (i = 1; i < 2000000000; i = i * 3 + 1) {
		struct reciprocal_value r = reciprocal_value(i);

		sum = sum * 31 + reciprocal_divide(4000000007u, r) + r.m + r.sh1 + r.sh2;
	}
	pr_info("reciprocals %u\n", sum);
	pr_info("range %u values to %u\n", linear_range_values_in_range(&range), linear_range_get_max_value(&range));
	pr_info("value %d", linear_range_get_value(&range, 7, &value));
	pr_cont(" %u, outside %d\n", value, linear_range_get_value(&range, 3, &value));
	for (i = 0; i < 256; i++)
		sum = sum * 31 + _ctype[i];
	for (i = 0; i < 256; i += 5)
		if (isalnum(i) || isspace(i))
			at += scnprintf(line + at, sizeof(line) - at, " %x", i);
	pr_info("ctype %u:%s\n", sum, line);
	return 0;
}
KC_ONCE(kc_init, "numbers");
