// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/percpu-refcount.h>
#include <linux/completion.h>
#include <linux/delay.h>

static DECLARE_COMPLETION(confirmed);
static DECLARE_COMPLETION(released);
static void confirm(struct percpu_ref *ref)
{
	pr_info("confirmed\n");
	complete(&confirmed);
}
static void release(struct percpu_ref *ref)
{
	pr_info("released\n");
	complete(&released);
}
static int __init kc_init(void)
{
	struct percpu_ref ref;

	pr_info("init %d\n", percpu_ref_init(&ref, release, PERCPU_REF_ALLOW_REINIT, GFP_KERNEL));
	percpu_ref_get(&ref);
	percpu_ref_get_many(&ref, 3);
	percpu_ref_put(&ref);
	pr_info("zero %d dying %d\n", percpu_ref_is_zero(&ref), percpu_ref_is_dying(&ref));
	pr_info("tryget %d\n", percpu_ref_tryget_live(&ref));
	percpu_ref_kill_and_confirm(&ref, confirm);
	pr_info("dying %d\n", percpu_ref_is_dying(&ref));
	wait_for_completion(&confirmed);
	pr_info("live %d, any %d\n", percpu_ref_tryget_live(&ref), percpu_ref_tryget(&ref));
	percpu_ref_put_many(&ref, 5);
	wait_for_completion(&released);
	pr_info("zero %d, tryget %d\n", percpu_ref_is_zero(&ref), percpu_ref_tryget(&ref));
	percpu_ref_reinit(&ref);
	pr_info("again %d\n", percpu_ref_tryget_live(&ref));
	percpu_ref_put(&ref);
	percpu_ref_switch_to_atomic_sync(&ref);
	percpu_ref_get(&ref);
	percpu_ref_put(&ref);
	percpu_ref_switch_to_percpu(&ref);
	reinit_completion(&released);
	percpu_ref_kill(&ref);
	wait_for_completion(&released);
	percpu_ref_exit(&ref);
	return 0;
}
KC_ONCE(kc_init, "references with a part on each CPU");
