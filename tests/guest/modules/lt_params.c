// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* A parameter of every kind. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/moduleparam.h>

static unsigned char a_byte = 1;
static short a_short = -2;
static unsigned short a_ushort = 3;
static int an_int = -4;
static unsigned int a_uint = 5;
static long a_long = -6;
static unsigned long a_ulong = 7;
static unsigned long long a_ullong = 8;
static unsigned int a_hexint = 0x9a;
static bool a_bool = true;
static bool an_invbool;
static char *a_charp = "default";
static char text[8] = "copied";
static int numbers[4] = { 10, 20, 30 };
static int how_many = 3;
static char *names[3] = { "x", "y" };
static unsigned int name_count = 2;
static int hidden = 11;
static int secret = 12;
static int inner = 13;
static int sets;

module_param(a_byte, byte, 0644);
module_param(a_short, short, 0644);
module_param(a_ushort, ushort, 0644);
module_param(an_int, int, 0644);
MODULE_PARM_DESC(an_int, "a signed number");
module_param(a_uint, uint, 0444);
module_param(a_long, long, 0644);
module_param(a_ulong, ulong, 0644);
module_param(a_ullong, ullong, 0644);
module_param(a_hexint, hexint, 0644);
module_param(a_bool, bool, 0644);
module_param(an_invbool, invbool, 0644);
module_param(a_charp, charp, 0644);
MODULE_PARM_DESC(a_charp, "some text");
module_param_string(a_string, text, sizeof(text), 0644);
module_param_array(numbers, int, &how_many, 0644);
module_param_array(names, charp, &name_count, 0444);
module_param(hidden, int, 0);
module_param(secret, int, 0600);
module_param_named(outer, inner, int, 0644);

/* A parameter with code behind it: even numbers only, shown with words. */
static int even = 2;

static int even_set(const char *val, const struct kernel_param *kp)
{
	int n, err = kstrtoint(val, 0, &n);

	if (err)
		return err;
	if (n & 1)
		return -ERANGE;
	*(int *)kp->arg = n;
	sets++;
	pr_info("even is set to %d\n", n);
	return 0;
}

static int even_get(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%d, set %d times\n", *(int *)kp->arg, sets);
}

static const struct kernel_param_ops even_ops = {
	.set = even_set,
	.get = even_get,
};
module_param_cb(even, &even_ops, &even, 0644);

/* A flag that needs no value, and one that can only be written. */
static int flagged;

static int flag_set(const char *val, const struct kernel_param *kp)
{
	flagged = val ? 2 : 1;
	return 0;
}

static const struct kernel_param_ops flag_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = flag_set,
};
module_param_cb(flag, &flag_ops, NULL, 0200);

static void show(const char *when)
{
	int i;

	pr_info("%s: byte %u short %d ushort %u int %d uint %u\n", when, a_byte, a_short, a_ushort, an_int, a_uint);
	pr_info("long %ld ulong %lu ullong %llu hexint 0x%x bool %d invbool %d\n", a_long, a_ulong, a_ullong, a_hexint, a_bool, an_invbool);
	pr_info("charp '%s' string '%s' hidden %d secret %d inner %d even %d flag %d\n", a_charp, text, hidden, secret, inner, even, flagged);
	for (i = 0; i < how_many; i++)
		pr_info("numbers[%d] = %d\n", i, numbers[i]);
	for (i = 0; i < name_count; i++)
		pr_info("names[%d] = '%s'\n", i, names[i]);
}

static int __init lt_params_init(void)
{
	show("init");
	return 0;
}

static void __exit lt_params_exit(void)
{
	show("exit");
}

module_init(lt_params_init);
module_exit(lt_params_exit);
MODULE_LICENSE("GPL v2");
MODULE_DESCRIPTION("parameters of every kind");
