// Platform devices and a driver for them: matching, probe and remove, managed resources and their order, drvdata, failing probes.
#include <linux/ioport.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

MODULE_LICENSE("GPL");

static int fail;
module_param(fail, int, 0644);
struct ld_data {
	int id;
	char *note;
};

static const struct platform_device_id ids[] = { { "ldplat-a", 1 }, { "ldplat-b", 2 }, {} };

static void action(void *data)
{
	pr_info("ld_plat: action '%s'\n", (char *)data);
}
static void resource_release(struct device *dev, void *res)
{
	dev_info(dev, "devres %d released\n", *(int *)res);
}
static int ld_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct ld_data *d = devm_kzalloc(dev, sizeof(*d), GFP_KERNEL);
	struct resource *mem = platform_get_resource(pdev, IORESOURCE_MEM, 0);
	const int *pdata = dev_get_platdata(dev);
	int *res;

	if (!d)
		return -ENOMEM;
	dev_info(dev, "probe id %d, id entry %s, pdata %d, irq %d\n", pdev->id, pdev->id_entry ? pdev->id_entry->name : "none",
		 pdata ? *pdata : -1, platform_get_irq_optional(pdev, 0) > 0);
	if (mem)
		dev_info(dev, "resource %pR\n", mem);
	d->id = pdev->id;
	d->note = devm_kasprintf(dev, GFP_KERNEL, "note of %s", dev_name(dev));
	platform_set_drvdata(pdev, d);
	if (devm_add_action(dev, action, "first"))
		return -ENOMEM;
	res = devres_alloc(resource_release, sizeof(int), GFP_KERNEL);
	*res = 77;
	devres_add(dev, res);
	if (devm_add_action_or_reset(dev, action, "second"))
		return -ENOMEM;
	if (fail)
		return fail;
	return 0;
}
static void ld_remove(struct platform_device *pdev)
{
	struct ld_data *d = platform_get_drvdata(pdev);

	dev_info(&pdev->dev, "remove %d, %s\n", d->id, d->note);
}
static ssize_t which_show(struct device_driver *drv, char *buf)
{
	return sysfs_emit(buf, "driver %s\n", drv->name);
}
static DRIVER_ATTR_RO(which);
static struct attribute *ld_drv_attrs[] = { &driver_attr_which.attr, NULL };
ATTRIBUTE_GROUPS(ld_drv);
static struct platform_driver ld_driver = {
	.probe = ld_probe,
	.remove = ld_remove,
	.id_table = ids,
	.driver = { .name = "ldplat", .groups = ld_drv_groups },
};
static struct platform_device *a, *b, *c;

static int __init ld_init(void)
{
	static const struct resource res[] = { DEFINE_RES_MEM_NAMED(0x1000, 0x100, "regs"), DEFINE_RES_IRQ(5) };
	int pdata = 1234, r;

	a = platform_device_register_simple("ldplat-a", -1, NULL, 0);
	pr_info("ld_plat: a %d\n", PTR_ERR_OR_ZERO(a));
	r = platform_driver_register(&ld_driver);
	pr_info("ld_plat: driver %d\n", r);
	if (r)
		return r;
	b = platform_device_register_resndata(NULL, "ldplat-b", 3, res, ARRAY_SIZE(res), &pdata, sizeof(pdata));
	pr_info("ld_plat: b %d\n", PTR_ERR_OR_ZERO(b));
	c = platform_device_alloc("ldplat-a", PLATFORM_DEVID_AUTO);
	pr_info("ld_plat: c %d\n", platform_device_add(c));
	pr_info("ld_plat: driver again %d\n", platform_driver_register(&ld_driver));
	return 0;
}
static void __exit ld_exit(void)
{
	platform_device_unregister(a);
	platform_driver_unregister(&ld_driver);
	platform_device_unregister(b);
	platform_device_unregister(c);
	pr_info("ld_plat: gone\n");
}
module_init(ld_init);
module_exit(ld_exit);
