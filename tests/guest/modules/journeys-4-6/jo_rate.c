// A hundred messages from one place with a limit, and more after the interval.
#include <linux/delay.h>
#include <linux/module.h>

MODULE_LICENSE("GPL");

static int say(const char *value, const struct kernel_param *kp)
{
	int i, n;

	if (kstrtoint(value, 0, &n))
		return -EINVAL;
	for (i = 0; i < n; i++)
		pr_info_ratelimited("jo_rate: %d of %d\n", i, n);
	return 0;
}
static const struct kernel_param_ops ops = { .set = say };
module_param_cb(say, &ops, NULL, 0200);
