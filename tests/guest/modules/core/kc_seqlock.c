// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/seqlock.h>

static DEFINE_SEQLOCK(lock);
static seqcount_t count;

static int __init kc_init(void)
{
	unsigned int seq;
	int tries = 0, value = 0;

	write_seqlock(&lock);
	value = 5;
	write_sequnlock(&lock);
	do {
		seq = read_seqbegin(&lock);
		if (++tries == 1) {
			write_seqlock(&lock);
			value = 6;
			write_sequnlock(&lock);
		}
	} while (read_seqretry(&lock, seq));
	pr_info("value %d after %d tries, sequence %u\n", value, tries, seq);
	seqcount_init(&count);
	seq = raw_read_seqcount(&count);
	write_seqcount_begin(&count);
	pr_info("retry while writing %d\n", read_seqcount_retry(&count, seq));
	write_seqcount_end(&count);
	return 0;
}
KC_ONCE(kc_init, "sequence locks");
