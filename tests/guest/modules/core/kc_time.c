// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/ktime.h>
#include <linux/timekeeping.h>
#include <linux/jiffies.h>
#include <linux/delay.h>
#include <linux/time.h>

static int __init kc_init(void)
{
	ktime_t a = ktime_get(), b;
	unsigned long j = jiffies;
	struct timespec64 ts;
	struct tm tm;

	msleep(20);
	b = ktime_get();
	pr_info("monotonic %d, jiffies %d\n", ktime_after(b, a), time_after(jiffies, j));
	pr_info("boot >= monotonic %d, real after 2020 %d\n", ktime_get_boottime() >= b, ktime_get_real_seconds() > 1577836800);
	ktime_get_real_ts64(&ts);
	pr_info("nsec valid %d\n", ts.tv_nsec >= 0 && ts.tv_nsec < NSEC_PER_SEC);
	pr_info("HZ %d, msecs %lu, usecs %lu, secs %u, back %u %u\n", HZ, msecs_to_jiffies(j ? 100 : 0), usecs_to_jiffies(j ? 5000 : 0),
		jiffies_to_msecs(1000) / 1000, jiffies_to_msecs(25), jiffies_to_usecs(3));
	pr_info("mktime %lld\n", mktime64(2024, 2, 29, 12, 30, 15));
	time64_to_tm(1709209815, 0, &tm);
	pr_info("tm %ld-%02d-%02d %02d:%02d:%02d wday %d yday %d\n", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		tm.tm_wday, tm.tm_yday);
	time64_to_tm(-1, 0, &tm);
	pr_info("before the epoch %ld-%02d-%02d %02d:%02d:%02d\n", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	pr_info("clock_t %lu, nsecs_to_jiffies %lu, jiffies64_to_nsecs %llu\n", (unsigned long)jiffies_64_to_clock_t(500), nsecs_to_jiffies(1000000000ull),
		jiffies64_to_nsecs(5));
	return 0;
}
KC_ONCE(kc_init, "clocks");
