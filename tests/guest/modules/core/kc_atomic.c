// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/atomic.h>
#include <linux/bitops.h>

static atomic_t a = ATOMIC_INIT(5);
static atomic64_t b = ATOMIC64_INIT(1);
static unsigned long bits[2];

static int __init kc_init(void)
{
	atomic_inc(&a);
	atomic_add(10, &a);
	atomic_sub(3, &a);
	pr_info("a %d, dec and test %d, add return %d\n", atomic_read(&a), atomic_dec_and_test(&a), atomic_add_return(5, &a));
	pr_info("cmpxchg %d", atomic_cmpxchg(&a, 17, 20));
	pr_info("fails %d, is %d\n", atomic_cmpxchg(&a, 1, 2), atomic_read(&a));
	pr_info("xchg %d, unless %d, negative %d\n", atomic_xchg(&a, 0), atomic_add_unless(&a, 1, 0), atomic_add_negative(-1, &a));
	atomic64_add(1LL << 40, &b);
	pr_info("b %lld, fetch or %llx\n", (long long)atomic64_read(&b), (long long)atomic64_fetch_or(0xf0, &b));
	set_bit(3, bits);
	set_bit(70, bits);
	pr_info("bits %lx %lx, test and set %d, test and clear %d\n", bits[0], bits[1], test_and_set_bit(3, bits), test_and_clear_bit(70, bits));
	change_bit(0, bits);
	pr_info("bits %lx %lx, first %lu, next %lu, zero %lu\n", bits[0], bits[1], find_first_bit(bits, 128), find_next_bit(bits, 128, 1),
		find_first_zero_bit(bits, 128));
	pr_info("ffs %d fls %d hweight %u ilog2 %d\n", ffs(0x50), fls(0x50), hweight32(0xff0f), ilog2(4096));
	return 0;
}
KC_ONCE(kc_init, "atomic operations");
