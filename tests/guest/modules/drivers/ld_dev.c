// Kernel objects, ksets, classes and devices with attributes; references and releases.
#include <linux/device.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

MODULE_LICENSE("GPL");

static int value = 42;
static char text[32] = "words";

// Attributes of a plain kobject below /sys/kernel.
static ssize_t value_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", value);
}
static ssize_t value_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf, size_t count)
{
	int r = kstrtoint(buf, 0, &value);

	pr_info("ld_dev: store of %zu to %s/%s: %d\n", count, kobject_name(kobj), attr->attr.name, r);
	return r ?: count;
}
static struct kobj_attribute value_attr = __ATTR_RW(value);
static ssize_t big_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	memset(buf, 'x', PAGE_SIZE);
	return value == 99 ? PAGE_SIZE + 5 : PAGE_SIZE - 1;
}
static struct kobj_attribute big_attr = __ATTR_RO(big);
static ssize_t fail_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return -EOVERFLOW;
}
static ssize_t fail_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf, size_t count)
{
	return -EBADMSG;
}
static struct kobj_attribute fail_attr = __ATTR_RW(fail);
static ssize_t half_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf, size_t count)
{
	pr_info("ld_dev: half of %zu\n", count);
	return (count + 1) / 2;
}
static struct kobj_attribute half_attr = __ATTR_WO(half);
static struct attribute *kobj_attrs[] = { &value_attr.attr, &big_attr.attr, &fail_attr.attr, &half_attr.attr, NULL };
static const struct attribute_group kobj_group = { .attrs = kobj_attrs };
static struct attribute *named_attrs[] = { &value_attr.attr, NULL };
static const struct attribute_group named_group = { .name = "named", .attrs = named_attrs };
static struct kobject *kobj;

// An object of a type of our own.
struct own {
	struct kobject kobj;
	int n;
};
struct own_attribute {
	struct attribute attr;
	int add;
};
static ssize_t own_show(struct kobject *k, struct attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", container_of(k, struct own, kobj)->n + container_of(attr, struct own_attribute, attr)->add);
}
static ssize_t own_store(struct kobject *k, struct attribute *attr, const char *buf, size_t count)
{
	int r = kstrtoint(buf, 10, &container_of(k, struct own, kobj)->n);

	return r ?: count;
}
static void own_release(struct kobject *k)
{
	pr_info("ld_dev: own object %s released\n", kobject_name(k));
	kfree(container_of(k, struct own, kobj));
}
static const struct sysfs_ops own_ops = { .show = own_show, .store = own_store };
static struct own_attribute own_one = { { "one", 0644 }, 1 }, own_ten = { { "ten", 0444 }, 10 };
static struct attribute *own_attrs[] = { &own_one.attr, &own_ten.attr, NULL };
ATTRIBUTE_GROUPS(own);
static const struct kobj_type own_type = { .release = own_release, .sysfs_ops = &own_ops, .default_groups = own_groups };
static struct kset *kset;
static struct own *own;

// A class with attributes of its own and of its devices.
static ssize_t version_show(const struct class *class, const struct class_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s 1.0\n", class->name);
}
static CLASS_ATTR_RO(version);
static struct attribute *ld_class_attrs[] = { &class_attr_version.attr, NULL };
ATTRIBUTE_GROUPS(ld_class);
static ssize_t text_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s of %s\n", text, dev_name(dev));
}
static ssize_t text_store(struct device *dev, struct device_attribute *attr, const char *buf, size_t count)
{
	strscpy(text, buf, sizeof(text));
	text[strcspn(text, "\n")] = 0;
	dev_info(dev, "now '%s'\n", text);
	return count;
}
static DEVICE_ATTR_RW(text);
static ssize_t wo_store(struct device *dev, struct device_attribute *attr, const char *buf, size_t count)
{
	return count;
}
static DEVICE_ATTR_WO(wo);
static struct attribute *ld_device_attrs[] = { &dev_attr_text.attr, &dev_attr_wo.attr, NULL };
ATTRIBUTE_GROUPS(ld_device);
static ssize_t raw_read(struct file *file, struct kobject *k, struct bin_attribute *attr, char *buf, loff_t off, size_t count)
{
	pr_info("ld_dev: raw read of %zu at %lld\n", count, off);
	return memory_read_from_buffer(buf, count, &off, text, sizeof(text));
}
static ssize_t raw_write(struct file *file, struct kobject *k, struct bin_attribute *attr, char *buf, loff_t off, size_t count)
{
	pr_info("ld_dev: raw write of %zu at %lld\n", count, off);
	memcpy(text + off, buf, count);
	return count;
}
static BIN_ATTR_RW(raw, sizeof(text));
static void ld_device_release(struct device *dev)
{
	pr_info("ld_dev: device %s released\n", dev_name(dev));
	kfree(dev);
}
static struct class ld_class = { .name = "ldkind", .class_groups = ld_class_groups, .dev_groups = ld_device_groups };
static struct device *dev, *child;

static int bare_device(const char *name, struct device *parent, struct device **into)
{
	struct device *d = kzalloc(sizeof(*d), GFP_KERNEL);
	int r;

	if (!d)
		return -ENOMEM;
	d->class = &ld_class;
	d->parent = parent;
	d->release = ld_device_release;
	dev_set_name(d, "%s%d", name, 7);
	r = device_register(d);
	pr_info("ld_dev: device_register of %s: %d\n", dev_name(d), r);
	if (r)
		put_device(d);
	else
		*into = d;
	return r;
}

static int __init ld_init(void)
{
	struct device *twice;
	int r;

	kobj = kobject_create_and_add("ld_kobj", kernel_kobj);
	if (!kobj)
		return -ENOMEM;
	r = sysfs_create_group(kobj, &kobj_group);
	pr_info("ld_dev: group %d, named group %d\n", r, sysfs_create_group(kobj, &named_group));
	pr_info("ld_dev: the file again: %d\n", sysfs_create_file(kobj, &value_attr.attr));

	kset = kset_create_and_add("ld_kset", NULL, kernel_kobj);
	own = kzalloc(sizeof(*own), GFP_KERNEL);
	if (!kset || !own)
		return -ENOMEM;
	own->n = 5;
	own->kobj.kset = kset;
	r = kobject_init_and_add(&own->kobj, &own_type, NULL, "own%d", 1);
	pr_info("ld_dev: own %d, in set %d, ref %u\n", r, !list_empty(&kset->list), kref_read(&own->kobj.kref));
	kobject_uevent(&own->kobj, KOBJ_ADD);
	pr_info("ld_dev: link %d\n", sysfs_create_link(kobj, &own->kobj, "to_own"));

	r = class_register(&ld_class);
	if (r)
		return r;
	r = bare_device("ldd", NULL, &dev);
	if (r)
		return r;
	pr_info("ld_dev: raw %d\n", device_create_bin_file(dev, &bin_attr_raw));
	bare_device("ldchild", dev, &child);
	bare_device("ldd", NULL, &twice);
	pr_info("ld_dev: refs %u\n", kref_read(&dev->kobj.kref));
	return 0;
}
static void __exit ld_exit(void)
{
	if (child)
		device_unregister(child);
	device_remove_bin_file(dev, &bin_attr_raw);
	get_device(dev);
	device_unregister(dev);
	pr_info("ld_dev: still there with %u\n", kref_read(&dev->kobj.kref));
	put_device(dev);
	class_unregister(&ld_class);
	sysfs_remove_link(kobj, "to_own");
	kobject_put(&own->kobj);
	kset_unregister(kset);
	sysfs_remove_group(kobj, &named_group);
	kobject_put(kobj);
	pr_info("ld_dev: gone\n");
}
module_init(ld_init);
module_exit(ld_exit);
