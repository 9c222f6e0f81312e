// Tables of sysctls: numbers with and without bounds, a string, a handler of one's own, an empty directory.
#include <linux/module.h>
#include <linux/sysctl.h>

MODULE_LICENSE("GPL");

static int plain = 5, bounded = 10, handled = 1;
static unsigned int uns = 7, limits[2] = { 1, 2 };
static unsigned long big[3] = { 1, 2, 3 };
static u8 byte = 3;
static bool flag = true;
static char text[16] = "hello";
static int low = 2, high = 20;

static int handler(const struct ctl_table *table, int write, void *buffer, size_t *lenp, loff_t *ppos)
{
	int old = handled, r = proc_dointvec(table, write, buffer, lenp, ppos);

	pr_info("handler %s: write %d = %d, %d to %d\n", table->procname, write, r, old, handled);
	if (!r && write && handled == 13) {
		handled = old;
		return -EOPNOTSUPP;
	}
	return r;
}
static struct ctl_table table[] = {
	{ .procname = "plain", .data = &plain, .maxlen = sizeof(int), .mode = 0644, .proc_handler = proc_dointvec },
	{ .procname = "bounded", .data = &bounded, .maxlen = sizeof(int), .mode = 0644, .proc_handler = proc_dointvec_minmax, .extra1 = &low, .extra2 = &high },
	{ .procname = "uns", .data = &uns, .maxlen = sizeof(int), .mode = 0644, .proc_handler = proc_douintvec },
	{ .procname = "pair", .data = limits, .maxlen = sizeof(limits), .mode = 0644, .proc_handler = proc_dointvec },
	{ .procname = "big", .data = big, .maxlen = sizeof(big), .mode = 0644, .proc_handler = proc_doulongvec_minmax },
	{ .procname = "byte", .data = &byte, .maxlen = sizeof(byte), .mode = 0644, .proc_handler = proc_dou8vec_minmax, .extra1 = SYSCTL_ZERO, .extra2 = SYSCTL_ONE_HUNDRED },
	{ .procname = "flag", .data = &flag, .maxlen = sizeof(flag), .mode = 0644, .proc_handler = proc_dobool },
	{ .procname = "text", .data = text, .maxlen = sizeof(text), .mode = 0644, .proc_handler = proc_dostring },
	{ .procname = "handled", .data = &handled, .maxlen = sizeof(int), .mode = 0600, .proc_handler = handler },
	{ .procname = "readonly", .data = &plain, .maxlen = sizeof(int), .mode = 0444, .proc_handler = proc_dointvec },
	{ .procname = "ms", .data = &limits[1], .maxlen = sizeof(int), .mode = 0644, .proc_handler = proc_dointvec_ms_jiffies },
	{ .procname = "seconds", .data = &bounded, .maxlen = sizeof(int), .mode = 0644, .proc_handler = proc_dointvec_jiffies },
};
static struct ctl_table_header *header, *net;
static struct ctl_table one[] = {
	{ .procname = "one", .data = &plain, .maxlen = sizeof(int), .mode = 0644, .proc_handler = proc_dointvec },
};
static int __init ls_init(void)
{
	header = register_sysctl("ldtest/deep", table);
	net = register_sysctl("kernel/ldone", one);
	pr_info("registered %d %d\n", header != NULL, net != NULL);
	return header ? 0 : -ENOMEM;
}
static void __exit ls_exit(void)
{
	pr_info("plain %d bounded %d uns %u pair %u %u big %lu %lu %lu byte %u flag %d text '%s' handled %d\n", plain, bounded, uns, limits[0], limits[1], big[0],
		big[1], big[2], byte, flag, text, handled);
	unregister_sysctl_table(net);
	unregister_sysctl_table(header);
}
module_init(ls_init);
module_exit(ls_exit);
