// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Asks for the firmware that a parameter names: into a buffer of its own, into one of the kernel's, at once and later.
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/completion.h>
#include <linux/crc32.h>
#include <linux/device.h>
#include <linux/firmware.h>
#include <linux/module.h>

static struct device *dev;
static DECLARE_COMPLETION(done);
static u8 room[64];

static void show(const char *how, const char *name, int r, const struct firmware *fw)
{
	if (r)
		pr_info("%s %s: %d%s\n", how, name, r, fw ? ", not NULL" : "");
	else
		pr_info("%s %s: %zu bytes, crc %08x, %.10s\n", how, name, fw->size, crc32_le(~0, fw->data, fw->size), fw->data);
}
static void later(const struct firmware *fw, void *name)
{
	show("later", name, fw ? 0 : -1, fw);
	release_firmware(fw);
	complete(&done);
}
static int ask_set(const char *value, const struct kernel_param *kp)
{
	const struct firmware *fw = NULL;
	char name[64];
	int r;

	strscpy(name, value, sizeof(name));
	strim(name);
	r = request_firmware(&fw, name, dev);
	show("at once", name, r, fw);
	release_firmware(fw);
	fw = NULL;
	r = request_firmware_into_buf(&fw, name, dev, room, sizeof(room));
	show("into", name, r, fw);
	release_firmware(fw);
	r = request_firmware_nowait(THIS_MODULE, true, name, dev, GFP_KERNEL, name, later);
	if (r)
		pr_info("nowait: %d\n", r);
	else
		wait_for_completion(&done);
	return 0;
}
static const struct kernel_param_ops ask_ops = { .set = ask_set };
module_param_cb(ask, &ask_ops, NULL, 0200);

static int __init fw_init(void)
{
	dev = root_device_register("fw_ask");
	return PTR_ERR_OR_ZERO(dev);
}
static void __exit fw_exit(void)
{
	root_device_unregister(dev);
}
module_init(fw_init);
module_exit(fw_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("asks for firmware");
