// A number and a text as parameters.
#include <linux/module.h>

MODULE_LICENSE("GPL");

static int level = 1;
module_param(level, int, 0660);
MODULE_PARM_DESC(level, "Debug level [0-2]; 0 for none");
static char *text = "My string param";
module_param(text, charp, 0660);
MODULE_PARM_DESC(text, "A demo string parameter");

static int __init jo_params_init(void)
{
	pr_info("jo_params: inserted, level=%d text=%s\n", level, text);
	return 0;
}
static void __exit jo_params_exit(void)
{
	pr_info("jo_params: removed, level=%d text=%s\n", level, text);
}
module_init(jo_params_init);
module_exit(jo_params_exit);
