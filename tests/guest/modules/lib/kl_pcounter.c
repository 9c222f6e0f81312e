// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/percpu_counter.h>

static int __init kc_init(void)
{
	struct percpu_counter c, two[2];
	int i;

	pr_info("init %d\n", percpu_counter_init(&c, 100, GFP_KERNEL));
	for (i = 0; i < 10; i++)
		percpu_counter_inc(&c);
	pr_info("rough %lld exact %lld\n", percpu_counter_read(&c), percpu_counter_sum(&c));
	percpu_counter_add(&c, 1000);
	pr_info("rough %lld exact %lld\n", percpu_counter_read(&c), percpu_counter_sum(&c));
	percpu_counter_sub(&c, 2000);
	pr_info("rough %lld positive %lld exact %lld\n", percpu_counter_read(&c), percpu_counter_read_positive(&c), percpu_counter_sum(&c));
	percpu_counter_dec(&c);
	pr_info("compare %d %d %d\n", percpu_counter_compare(&c, -892), percpu_counter_compare(&c, -891), percpu_counter_compare(&c, -890));
	pr_info("compare far %d\n", percpu_counter_compare(&c, 1000000));
	percpu_counter_add_batch(&c, 5, 1000);
	percpu_counter_sync(&c);
	pr_info("synced %lld\n", percpu_counter_read(&c));
	percpu_counter_set(&c, 7);
	pr_info("set %lld %lld\n", percpu_counter_read(&c), percpu_counter_sum(&c));
	percpu_counter_destroy(&c);
	pr_info("many %d\n", percpu_counter_init_many(two, 3, GFP_KERNEL, 2));
	percpu_counter_add(&two[1], 4);
	pr_info("%lld %lld\n", percpu_counter_sum(&two[0]), percpu_counter_sum(&two[1]));
	percpu_counter_destroy_many(two, 2);
	return 0;
}
KC_ONCE(kc_init, "counters with a part on each CPU");
