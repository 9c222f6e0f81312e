// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/cred.h>
#include <linux/capability.h>
#include <linux/sched.h>

static int __init kc_init(void)
{
	struct cred *new = prepare_creds();
	const struct cred *old;

	if (!new)
		return -ENOMEM;
	pr_info("capable %d, usage positive %d\n", capable(CAP_SYS_MODULE), atomic_long_read(&new->usage) > 0);
	new->uid = new->euid = make_kuid(&init_user_ns, 1000);
	new->gid = make_kgid(&init_user_ns, 100);
	pr_info("before: %u\n", __kuid_val(current_uid()));
	old = override_creds(new);
	pr_info("overridden: uid %u gid %u\n", __kuid_val(current_uid()), __kgid_val(current_gid()));
	revert_creds(old);
	pr_info("reverted: uid %u gid %u\n", __kuid_val(current_uid()), __kgid_val(current_gid()));
	put_cred(new);
	new = prepare_creds();
	new->fsuid = make_kuid(&init_user_ns, 33);
	pr_info("commit %d: fsuid %u\n", commit_creds(new), __kuid_val(current_fsuid()));
	new = prepare_kernel_cred(&init_task);
	pr_info("kernel cred: uid %u\n", __kuid_val(new->uid));
	commit_creds(new);
	new = prepare_creds();
	abort_creds(new);
	return 0;
}
KC_ONCE(kc_init, "credentials");
