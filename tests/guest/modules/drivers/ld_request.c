// Programs that the kernel starts: request_module and call_usermodehelper.
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/umh.h>

MODULE_LICENSE("GPL");

static char *name = "ld_wanted";
module_param(name, charp, 0444);
static int wait = UMH_WAIT_PROC;
module_param(wait, int, 0444);
static char *helper = "";
module_param(helper, charp, 0444);

static int __init lr_init(void)
{
	static char *argv[] = { NULL, "one", "two words", NULL };
	static char *envp[] = { "HOME=/", "PATH=/sbin:/bin:/usr/sbin:/usr/bin", "COLOR=green", NULL };
	int r;

	argv[0] = helper;
	if (*helper)
		r = call_usermodehelper(helper, argv, envp, wait);
	else
		r = wait == UMH_NO_WAIT ? request_module_nowait("%s", name) : request_module("%s-%d", name, 7);
	pr_info("%s %d: %d\n", *helper ? "helper" : "request", wait, r);
	return 0;
}
static void __exit lr_exit(void)
{
}
module_init(lr_init);
module_exit(lr_exit);
