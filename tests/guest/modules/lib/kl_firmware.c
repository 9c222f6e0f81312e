// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/device.h>
#include <linux/firmware.h>

static void ask(struct device *dev, const char *name)
{
	const struct firmware *fw = (void *)1;
	int r = request_firmware(&fw, name, dev);

	pr_info("%s: %d", name, r);
	if (!r)
		pr_cont(" %zu bytes: %*ph", fw->size, (int)min_t(size_t, fw->size, 8), fw->data);
	pr_cont("%s\n", fw ? "" : " NULL");
	release_firmware(fw);
}
static int __init kc_init(void)
{
	const struct firmware *fw;
	struct device *dev = root_device_register("kl_firmware");

	ask(dev, "lintel.bin");
	ask(dev, "dir/deep.bin");
	ask(dev, "updated.bin");
	ask(dev, "missing.bin");
	ask(dev, "");
	pr_info("direct %d\n", request_firmware_direct(&fw, "missing.bin", dev));
	pr_info("nowarn %d\n", firmware_request_nowarn(&fw, "missing.bin", dev));
	root_device_unregister(dev);
	return 0;
}
KC_ONCE(kc_init, "firmware");
