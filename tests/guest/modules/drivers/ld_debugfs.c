// debugfs: values of all kinds, simple attributes, files with operations, links, removal.
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

MODULE_LICENSE("GPL");

static u8 v8 = 200;
static u16 v16 = 65000;
static u32 v32 = 4000000000u;
static u64 v64 = 12345678901234567890ull;
static unsigned long vlong = 1;
static size_t vsize = 77;
static atomic_t vatomic = ATOMIC_INIT(-3);
static bool vbool = true;
static char *vstr = "a string";
static char raw[] = "blob of bytes";
static struct debugfs_blob_wrapper blob = { .data = raw, .size = sizeof(raw) };
static s64 number = -7;

static int number_get(void *data, u64 *val)
{
	pr_info("ld_debugfs: get\n");
	*val = *(s64 *)data;
	return 0;
}
static int number_set(void *data, u64 val)
{
	pr_info("ld_debugfs: set %lld\n", (s64)val);
	if (val == 13)
		return -ERANGE;
	*(s64 *)data = val;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(number_fops, number_get, number_set, "%lld\n");
DEFINE_SIMPLE_ATTRIBUTE(hex_fops, number_get, NULL, "0x%llx\n");
static int show_show(struct seq_file *m, void *v)
{
	seq_printf(m, "shown for %s\n", (char *)m->private);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(show);

static struct dentry *dir;
static int __init ld_init(void)
{
	struct dentry *sub;

	dir = debugfs_create_dir("lddebug", NULL);
	if (IS_ERR(dir))
		return PTR_ERR(dir);
	pr_info("ld_debugfs: again %ld\n", PTR_ERR(debugfs_create_dir("lddebug", NULL)));
	debugfs_create_u8("u8", 0644, dir, &v8);
	debugfs_create_u16("u16", 0644, dir, &v16);
	debugfs_create_u32("u32", 0644, dir, &v32);
	debugfs_create_u64("u64", 0644, dir, &v64);
	debugfs_create_ulong("ulong", 0444, dir, &vlong);
	debugfs_create_x8("x8", 0444, dir, &v8);
	debugfs_create_x16("x16", 0444, dir, &v16);
	debugfs_create_x32("x32", 0644, dir, &v32);
	debugfs_create_x64("x64", 0444, dir, &v64);
	debugfs_create_size_t("size", 0644, dir, &vsize);
	debugfs_create_atomic_t("atomic", 0644, dir, &vatomic);
	debugfs_create_bool("bool", 0644, dir, &vbool);
	debugfs_create_str("str", 0444, dir, &vstr);
	debugfs_create_blob("blob", 0400, dir, &blob);
	sub = debugfs_create_dir("sub", dir);
	debugfs_create_file("number", 0644, sub, &number, &number_fops);
	debugfs_create_file("hex", 0444, sub, &number, &hex_fops);
	debugfs_create_file("show", 0444, sub, "me", &show_fops);
	debugfs_create_symlink("link", dir, "sub/number");
	debugfs_create_file("lost", 0444, ERR_PTR(-ENODEV), NULL, &show_fops);
	return 0;
}
static void __exit ld_exit(void)
{
	debugfs_remove_recursive(dir);
	pr_info("ld_debugfs: gone, number %lld\n", number);
}
module_init(ld_init);
module_exit(ld_exit);
