// SPDX-License-Identifier: GPL-2.0
// A device whose firmware user space writes through sysfs (firmware_upload_register).
#include <linux/device.h>
#include <linux/firmware.h>
#include <linux/module.h>
#include <linux/delay.h>

static int fail_prepare, fail_write, fail_complete, slow;
static unsigned int chunk = 8;
module_param(fail_prepare, int, 0644);
module_param(fail_write, int, 0644);
module_param(fail_complete, int, 0644);
module_param(slow, int, 0644);
module_param(chunk, uint, 0644);

static struct device *flash;
static struct fw_upload *upload;
static int cookie = 42;
static bool cancelled;
static char contents[64];

static enum fw_upload_err flash_prepare(struct fw_upload *fwl, const u8 *data, u32 size)
{
	pr_info("prepare %u bytes, cookie %d, begins %c\n", size, *(int *)fwl->dd_handle, data[0]);
	cancelled = false;
	if (size > sizeof(contents) - 1)
		return FW_UPLOAD_ERR_INVALID_SIZE;
	memset(contents, 0, sizeof(contents));
	return fail_prepare;
}
static enum fw_upload_err flash_write(struct fw_upload *fwl, const u8 *data, u32 offset, u32 size, u32 *written)
{
	u32 n = min(size, chunk);

	if (slow)
		msleep(slow);
	if (cancelled)
		return FW_UPLOAD_ERR_CANCELED;
	pr_info("write at %u, %u left\n", offset, size);
	if (fail_write && offset)
		return fail_write;
	memcpy(contents + offset, data + offset, n);
	*written = n;
	return FW_UPLOAD_ERR_NONE;
}
static enum fw_upload_err flash_complete(struct fw_upload *fwl)
{
	pr_info("complete: %s\n", contents);
	return fail_complete;
}
static void flash_cancel(struct fw_upload *fwl)
{
	pr_info("cancel\n");
	cancelled = true;
}
static void flash_cleanup(struct fw_upload *fwl)
{
	pr_info("cleanup\n");
}
static const struct fw_upload_ops ops = {
	.prepare = flash_prepare, .write = flash_write, .poll_complete = flash_complete, .cancel = flash_cancel, .cleanup = flash_cleanup,
};
static const struct fw_upload_ops half = { .prepare = flash_prepare };

static int __init lu_init(void)
{
	struct fw_upload *bad;

	flash = root_device_register("luflash");
	if (IS_ERR(flash))
		return PTR_ERR(flash);
	bad = firmware_upload_register(THIS_MODULE, flash, "lubad", &half, NULL);
	pr_info("without all functions: %ld\n", PTR_ERR_OR_ZERO(bad));
	upload = firmware_upload_register(THIS_MODULE, flash, "luflash0", &ops, &cookie);
	if (IS_ERR(upload)) {
		root_device_unregister(flash);
		return PTR_ERR(upload);
	}
	return 0;
}
static void __exit lu_exit(void)
{
	firmware_upload_unregister(upload);
	root_device_unregister(flash);
}
module_init(lu_init);
module_exit(lu_exit);
MODULE_DESCRIPTION("firmware from user space");
MODULE_LICENSE("GPL");
