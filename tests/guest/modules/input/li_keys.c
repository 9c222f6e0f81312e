// SPDX-License-Identifier: GPL-2.0
// An input device, two listeners of our own, and a parameter that sends: "type code value".
#include <linux/input.h>
#include <linux/module.h>
#include <linux/slab.h>

static struct input_dev *keys;
static int fail_open, fail_connect;
module_param(fail_open, int, 0644);
module_param(fail_connect, int, 0644);

static int keys_open(struct input_dev *dev)
{
	pr_info("open, users %d\n", dev->users);
	return fail_open;
}
static void keys_close(struct input_dev *dev)
{
	pr_info("close, users %d\n", dev->users);
}
static int keys_event(struct input_dev *dev, unsigned int type, unsigned int code, int value)
{
	pr_info("device told %u %u %d, led %d\n", type, code, value, !!test_bit(LED_CAPSL, dev->led));
	return 0;
}
static int send_set(const char *val, const struct kernel_param *kp)
{
	unsigned int type, code;
	int value;

	if (sscanf(val, "%u %u %d", &type, &code, &value) != 3)
		return -EINVAL;
	if (!keys)
		return -ENODEV;
	input_event(keys, type, code, value);
	return 0;
}
static const struct kernel_param_ops send_ops = { .set = send_set };
module_param_cb(send, &send_ops, NULL, 0200);

static void log_event(struct input_handle *handle, unsigned int type, unsigned int code, int value)
{
	pr_info("%s: %u %u %d\n", handle->name, type, code, value);
}
static bool filter_event(struct input_handle *handle, unsigned int type, unsigned int code, int value)
{
	bool take = type == EV_KEY && code == KEY_B;

	pr_info("%s: %u %u %d%s\n", handle->name, type, code, value, take ? " taken" : "");
	return take;
}
static bool ours(struct input_handler *handler, struct input_dev *dev)
{
	pr_info("%s asked about %s\n", handler->name, dev->name);
	return dev->id.vendor == 0x1234;
}
static int connect(struct input_handler *handler, struct input_dev *dev, const struct input_device_id *id)
{
	struct input_handle *handle;
	int err;

	if (fail_connect)
		return fail_connect;
	handle = kzalloc(sizeof(*handle), GFP_KERNEL);
	if (!handle)
		return -ENOMEM;
	handle->dev = dev;
	handle->handler = handler;
	handle->name = handler->name;
	err = input_register_handle(handle);
	pr_info("%s connects, entry %lu: %d\n", handler->name, id->driver_info, err);
	if (!err) {
		err = input_open_device(handle);
		if (err)
			input_unregister_handle(handle);
	}
	if (err)
		kfree(handle);
	return err;
}
static void disconnect(struct input_handle *handle)
{
	pr_info("%s disconnects\n", handle->name);
	input_close_device(handle);
	input_unregister_handle(handle);
	kfree(handle);
}
static const struct input_device_id ids[] = {
	{ .driver_info = 1, .flags = INPUT_DEVICE_ID_MATCH_VENDOR, .vendor = 1 },
	{ .driver_info = 2, .flags = INPUT_DEVICE_ID_MATCH_EVBIT, .evbit = { BIT_MASK(EV_KEY) | BIT_MASK(EV_FF) } },
	{ .driver_info = 3, .flags = INPUT_DEVICE_ID_MATCH_EVBIT, .evbit = { BIT_MASK(EV_KEY) } },
	{ },
};
static struct input_handler logger = { .name = "lilog", .event = log_event, .match = ours, .connect = connect, .disconnect = disconnect, .id_table = ids };
static struct input_handler filter = { .name = "lifilter", .filter = filter_event, .match = ours, .connect = connect, .disconnect = disconnect, .id_table = ids };

static int __init li_init(void)
{
	int err;

	err = input_register_handler(&logger);
	if (err)
		return err;
	keys = input_allocate_device();
	if (!keys) {
		input_unregister_handler(&logger);
		return -ENOMEM;
	}
	keys->name = "keys of our own";
	keys->phys = "li/input0";
	keys->id.bustype = BUS_VIRTUAL;
	keys->id.vendor = 0x1234;
	keys->id.product = 0xabcd;
	keys->id.version = 7;
	keys->open = keys_open;
	keys->close = keys_close;
	keys->event = keys_event;
	input_set_capability(keys, EV_KEY, KEY_A);
	input_set_capability(keys, EV_KEY, KEY_B);
	input_set_capability(keys, EV_KEY, BTN_LEFT);
	input_set_capability(keys, EV_REL, REL_X);
	input_set_capability(keys, EV_LED, LED_CAPSL);
	input_set_capability(keys, EV_SW, SW_LID);
	input_set_capability(keys, EV_MSC, MSC_SCAN);
	__set_bit(KEY_RESERVED, keys->keybit);
	__set_bit(SND_BELL, keys->sndbit);
	input_set_abs_params(keys, ABS_X, 0, 100, 4, 2);
	err = input_register_device(keys);
	pr_info("registered: %d, max_vals %u, delay %d period %d, reserved %d, bell %d\n", err, keys->max_vals, keys->rep[REP_DELAY], keys->rep[REP_PERIOD],
		test_bit(KEY_RESERVED, keys->keybit), test_bit(SND_BELL, keys->sndbit));
	if (err) {
		input_free_device(keys);
		input_unregister_handler(&logger);
		return err;
	}
	return input_register_handler(&filter);
}
static void __exit li_exit(void)
{
	input_unregister_device(keys);
	input_unregister_handler(&filter);
	input_unregister_handler(&logger);
}
module_init(li_init);
module_exit(li_exit);
MODULE_DESCRIPTION("an input device and who listens");
MODULE_LICENSE("GPL");
