// Firmware from /lib/firmware: at once, into a buffer, in the background, and what is not there.
#include <linux/completion.h>
#include <linux/firmware.h>
#include <linux/module.h>
#include <linux/platform_device.h>

MODULE_LICENSE("GPL");

static struct platform_device *pdev;
static DECLARE_COMPLETION(done);

static void show(const char *how, int r, const struct firmware *fw)
{
	pr_info("%s: %d, firmware %d", how, r, fw != NULL);
	if (fw)
		pr_cont(", %zu bytes: %.*s", fw->size, (int)min_t(size_t, fw->size, 12), fw->data);
	pr_cont("\n");
}
static void later(const struct firmware *fw, void *context)
{
	show(context, 0, fw);
	release_firmware(fw);
	complete(&done);
}
static int __init lf_init(void)
{
	static char buf[8];
	const struct firmware *fw;
	int r;

	pdev = platform_device_register_simple("ldfw", -1, NULL, 0);
	r = request_firmware(&fw, "ldtest/blob.bin", &pdev->dev);
	show("request_firmware", r, fw);
	release_firmware(fw);
	r = request_firmware(&fw, "ldtest/none.bin", &pdev->dev);
	show("missing", r, fw);
	r = firmware_request_nowarn(&fw, "ldtest/none.bin", &pdev->dev);
	show("missing, nowarn", r, fw);
	r = request_firmware_direct(&fw, "ldtest/empty.bin", &pdev->dev);
	show("empty", r, fw);
	r = request_firmware(&fw, "", &pdev->dev);
	show("no name", r, fw);
	r = request_firmware(&fw, "../secret", &pdev->dev);
	show("dots", r, fw);
	r = request_firmware_into_buf(&fw, "ldtest/small.bin", &pdev->dev, buf, sizeof(buf));
	show("into a buffer", r, r ? NULL : fw);
	if (!r)
		release_firmware(fw);
	r = request_firmware_into_buf(&fw, "ldtest/blob.bin", &pdev->dev, buf, sizeof(buf));
	show("into a small one", r, r ? NULL : fw);
	r = request_firmware_nowait(THIS_MODULE, FW_ACTION_UEVENT, "ldtest/blob.bin", &pdev->dev, GFP_KERNEL, "in the background", later);
	pr_info("nowait %d\n", r);
	wait_for_completion(&done);
	r = request_firmware_nowait(THIS_MODULE, FW_ACTION_UEVENT, "ldtest/none.bin", &pdev->dev, GFP_KERNEL, "in the background, missing", later);
	wait_for_completion(&done);
	return 0;
}
static void __exit lf_exit(void)
{
	platform_device_unregister(pdev);
}
module_init(lf_init);
module_exit(lf_exit);
