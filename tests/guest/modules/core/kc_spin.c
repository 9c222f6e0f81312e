// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/spinlock.h>
#include <linux/interrupt.h>

static DEFINE_SPINLOCK(lock);

static void state(const char *what)
{
	pr_info("%s: locked %d irqs %s count %x softirq %lx\n", what, spin_is_locked(&lock),
		irqs_disabled() ? "off" : "on", preempt_count(), softirq_count());
}

static int __init kc_init(void)
{
	unsigned long flags, inner;
	spinlock_t own;

	state("start");
	spin_lock(&lock);
	state("spin_lock");
	pr_info("trylock %d\n", spin_trylock(&lock));
	spin_unlock(&lock);
	spin_lock_irqsave(&lock, flags);
	state("irqsave");
	local_irq_save(inner);
	local_irq_restore(inner);
	state("nested");
	spin_unlock_irqrestore(&lock, flags);
	spin_lock_irq(&lock);
	state("irq");
	spin_unlock_irq(&lock);
	spin_lock_bh(&lock);
	state("bh");
	local_bh_disable();
	state("bh twice");
	local_bh_enable();
	spin_unlock_bh(&lock);
	state("end");
	spin_lock_init(&own);
	pr_info("own: trylock %d", spin_trylock(&own));
	pr_info("again %d\n", spin_trylock(&own));
	spin_unlock(&own);
	pr_info("bh trylock %d\n", spin_trylock_bh(&own));
	pr_info("count %x\n", preempt_count());
	spin_unlock_bh(&own);
	return 0;
}
KC_ONCE(kc_init, "spinlocks and what they switch off");
