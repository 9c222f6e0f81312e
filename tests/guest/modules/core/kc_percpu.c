// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/percpu.h>
#include <linux/cpumask.h>
#include <linux/smp.h>

static DEFINE_PER_CPU(int, counter);
static DEFINE_PER_CPU(long, filled) = 7;

static int __init kc_init(void)
{
	int __percpu *p = alloc_percpu(int);
	int cpu, sum = 0, online = 0;

	if (!p)
		return -ENOMEM;
	for_each_online_cpu(cpu) {
		per_cpu(counter, cpu) = 1;
		sum += per_cpu(filled, cpu);
		*per_cpu_ptr(p, cpu) += 1;
		online++;
	}
	pr_info("filled on each %d, allocated zeroed %d\n", sum == 7 * online, *per_cpu_ptr(p, 0) == 1);
	this_cpu_inc(counter);
	this_cpu_add(*p, 10);
	pr_info("this cpu %d %d\n", this_cpu_read(counter), this_cpu_read(*p));
	get_cpu_var(counter) += 5;
	put_cpu_var(counter);
	pr_info("counter %d\n", raw_cpu_read(counter));
	pr_info("cpu valid %d, online %d, possible at least online %d\n", get_cpu() < nr_cpu_ids, online == num_online_cpus(),
		num_possible_cpus() >= online);
	put_cpu();
	free_percpu(p);
	return 0;
}
KC_ONCE(kc_init, "per-CPU variables");
