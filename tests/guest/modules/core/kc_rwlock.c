// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/rwlock.h>
#include <linux/spinlock.h>

static DEFINE_RWLOCK(lock);

static int __init kc_init(void)
{
	unsigned long flags;

	read_lock(&lock);
	pr_info("read: read again %d, write %d\n", read_trylock(&lock), write_trylock(&lock));
	read_unlock(&lock);
	read_unlock(&lock);
	pr_info("free: write %d\n", write_trylock(&lock));
	pr_info("write: read %d, write %d\n", read_trylock(&lock), write_trylock(&lock));
	write_unlock(&lock);
	write_lock_irqsave(&lock, flags);
	pr_info("irqsave: irqs %s\n", irqs_disabled() ? "off" : "on");
	write_unlock_irqrestore(&lock, flags);
	read_lock_bh(&lock);
	pr_info("bh: count %x\n", preempt_count());
	read_unlock_bh(&lock);
	pr_info("end: count %x irqs %s\n", preempt_count(), irqs_disabled() ? "off" : "on");
	return 0;
}
KC_ONCE(kc_init, "reader-writer locks");
