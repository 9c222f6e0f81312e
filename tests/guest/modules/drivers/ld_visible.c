// Attribute groups whose files are asked for with is_visible and is_bin_visible, named and unnamed; uevents with variables of one's own.
#include <linux/device.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/sysfs.h>

MODULE_LICENSE("GPL");

static int mode = 0444;
module_param(mode, int, 0644);
static int none;
module_param(none, int, 0644);
static struct device *dev;
static struct class *class;

static ssize_t first_show(struct device *d, struct device_attribute *a, char *buf)
{
	return sysfs_emit(buf, "%s\n", a->attr.name);
}
static ssize_t second_show(struct device *d, struct device_attribute *a, char *buf)
{
	return sysfs_emit(buf, "mode %o\n", mode);
}
static ssize_t second_store(struct device *d, struct device_attribute *a, const char *buf, size_t n)
{
	static char *extra[] = { "COLOR=blue", "SHAPE=round", NULL };
	int r = kobject_uevent_env(&d->kobj, KOBJ_CHANGE, buf[0] == '1' ? extra : NULL);

	pr_info("second = %.1s, uevent %d\n", buf, r);
	return n;
}
static DEVICE_ATTR_RO(first);
static DEVICE_ATTR_RW(second);
static struct attribute *attrs[] = { &dev_attr_first.attr, &dev_attr_second.attr, NULL };
static ssize_t raw_read(struct file *f, struct kobject *k, struct bin_attribute *a, char *buf, loff_t off, size_t n)
{
	memset(buf, 'r', n);
	return n;
}
static BIN_ATTR_RO(raw, 5);
static struct bin_attribute *bin_attrs[] = { &bin_attr_raw, NULL };
static umode_t visible(struct kobject *kobj, struct attribute *attr, int n)
{
	pr_info("visible %s %d of %s: %o\n", attr->name, n, kobject_name(kobj), attr->mode);
	return n == 1 ? mode : none ? 0 : attr->mode;
}
static umode_t bin_visible(struct kobject *kobj, struct bin_attribute *attr, int n)
{
	pr_info("bin visible %s %d: %o\n", attr->attr.name, n, attr->attr.mode);
	return none ? 0 : 0400;
}
static const struct attribute_group plain = { .attrs = attrs, .is_visible = visible };
static const struct attribute_group named = { .name = "named", .attrs = attrs, .is_visible = visible, .bin_attrs = bin_attrs, .is_bin_visible = bin_visible };
static const struct attribute_group *groups[] = { &plain, &named, NULL };

static int dev_uevent(const struct device *d, struct kobj_uevent_env *env)
{
	pr_info("class uevent of %s, %d variables\n", dev_name(d), env->envp_idx);
	if (mode == 0)
		return -EAGAIN;
	return add_uevent_var(env, "LDMODE=%o", mode);
}
static char *devnode(const struct device *d, umode_t *m)
{
	if (m)
		*m = 0640;
	return kasprintf(GFP_KERNEL, "ldvisdir/%s", dev_name(d));
}
static struct class the_class = { .name = "ldvis", .dev_uevent = dev_uevent, .devnode = devnode };

static int __init lv_init(void)
{
	int r = class_register(&the_class);

	if (r)
		return r;
	class = &the_class;
	dev = device_create_with_groups(class, NULL, MKDEV(241, 5), NULL, groups, "ldvis%d", 5);
	if (IS_ERR(dev)) {
		class_unregister(class);
		return PTR_ERR(dev);
	}
	return 0;
}
static void __exit lv_exit(void)
{
	pr_info("update %d\n", (mode = 0600, sysfs_update_group(&dev->kobj, &plain)));
	device_destroy(class, MKDEV(241, 5));
	class_unregister(class);
}
module_init(lv_init);
module_exit(lv_exit);
