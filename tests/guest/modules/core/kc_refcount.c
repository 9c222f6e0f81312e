// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/refcount.h>
#include <linux/kref.h>

static refcount_t count = REFCOUNT_INIT(1);
struct thing { struct kref ref; };
static struct thing thing;

static void release(struct kref *ref)
{
	pr_info("released %d\n", ref == &thing.ref);
}

static int __init kc_init(void)
{
	refcount_inc(&count);
	pr_info("read %u\n", refcount_read(&count));
	pr_info("dec and test %d", refcount_dec_and_test(&count));
	pr_info("dec and test %d\n", refcount_dec_and_test(&count));
	pr_info("inc not zero %d\n", refcount_inc_not_zero(&count));
	kref_init(&thing.ref);
	kref_get(&thing.ref);
	pr_info("put %d", kref_put(&thing.ref, release));
	pr_info("put %d\n", kref_put(&thing.ref, release));
	refcount_inc(&count);
	pr_info("after the warning: %x\n", refcount_read(&count));
	return 0;
}
KC_ONCE(kc_init, "reference counts");
