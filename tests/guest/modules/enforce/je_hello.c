// The first module: a line at each end.
#include <linux/module.h>

MODULE_AUTHOR("Lintel");
MODULE_DESCRIPTION("a first module");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION("0.1");

static int __init je_hello_init(void)
{
	printk(KERN_INFO "Hello, world\n");
	return 0;
}
static void __exit je_hello_exit(void)
{
	printk(KERN_INFO "Goodbye, world\n");
}
module_init(je_hello_init);
module_exit(je_hello_exit);
