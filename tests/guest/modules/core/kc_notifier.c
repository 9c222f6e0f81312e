// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/notifier.h>

static int first(struct notifier_block *nb, unsigned long action, void *data)
{
	pr_info("first: %lu %s\n", action, (char *)data);
	return NOTIFY_OK;
}
static int second(struct notifier_block *nb, unsigned long action, void *data)
{
	pr_info("second: %lu\n", action);
	return action == 9 ? NOTIFY_BAD : action == 8 ? notifier_from_errno(-EBUSY) : NOTIFY_DONE;
}
static struct notifier_block low = { .notifier_call = first, .priority = -1 };
static struct notifier_block high = { .notifier_call = second, .priority = 10 };
static struct notifier_block same = { .notifier_call = first };

static BLOCKING_NOTIFIER_HEAD(blocking);
static ATOMIC_NOTIFIER_HEAD(atomic);
static RAW_NOTIFIER_HEAD(raw);

static int __init kc_init(void)
{
	int r;

	pr_info("register %d %d\n", blocking_notifier_chain_register(&blocking, &low), blocking_notifier_chain_register(&blocking, &high));
	pr_info("call: %x\n", blocking_notifier_call_chain(&blocking, 1, "hello"));
	pr_info("stop: %x\n", blocking_notifier_call_chain(&blocking, 9, "never"));
	r = blocking_notifier_call_chain(&blocking, 8, "never");
	pr_info("errno: %d\n", notifier_to_errno(r));
	pr_info("unregister %d\n", blocking_notifier_chain_unregister(&blocking, &high));
	pr_info("again %d\n", blocking_notifier_chain_unregister(&blocking, &high));
	pr_info("call: %x\n", blocking_notifier_call_chain(&blocking, 2, "one left"));
	blocking_notifier_chain_unregister(&blocking, &low);
	pr_info("empty: %x\n", blocking_notifier_call_chain(&blocking, 3, NULL));

	atomic_notifier_chain_register(&atomic, &same);
	pr_info("atomic: %x\n", atomic_notifier_call_chain(&atomic, 4, "atomic"));
	atomic_notifier_chain_unregister(&atomic, &same);
	raw_notifier_chain_register(&raw, &same);
	pr_info("raw: %x\n", raw_notifier_call_chain(&raw, 5, "raw"));
	return 0;
}
KC_ONCE(kc_init, "notifier chains");
