// Input devices (include/uapi/linux/input-event-codes.h, input.h; include/linux/mod_devicetable.h).
export const INPUT_MAJOR = 13;
/** input_get_new_minor: minors of evdev and the like beyond their old ranges. */
export const INPUT_FIRST_DYNAMIC_DEV = 256;
export const INPUT_MAX_CHAR_DEVICES = 1024;
export const EV_SYN = 0;
export const EV_KEY = 1;
export const EV_REL = 2;
export const EV_ABS = 3;
export const EV_MSC = 4;
export const EV_SW = 5;
export const EV_LED = 0x11;
export const EV_SND = 0x12;
export const EV_REP = 0x14;
export const EV_FF = 0x15;
export const EV_PWR = 0x16;
export const EV_MAX = 0x1f;
export const SYN_REPORT = 0;
export const SYN_CONFIG = 1;
export const SYN_MT_REPORT = 2;
export const KEY_RESERVED = 0;
/** First key that a module alias names. */
export const KEY_MIN_INTERESTING = 0x71;
export const KEY_MAX = 0x2ff;
export const REL_MAX = 0x0f;
export const ABS_MAX = 0x3f;
export const MSC_MAX = 0x07;
export const LED_MAX = 0x0f;
export const SND_MAX = 0x07;
export const FF_MAX = 0x7f;
export const SW_MAX = 0x10;
export const INPUT_PROP_MAX = 0x1f;
export const REP_MAX = 1;
export const REP_DELAY = 0;
export const REP_PERIOD = 1;
/** struct input_value, struct input_event and struct input_absinfo in bytes. */
export const INPUT_VALUE = 8;
export const INPUT_EVENT = 24;
/** Offsets of struct input_device_id; what its flags ask for. */
export const InputDeviceId = {
  sizeof: 200, flags: 0, bustype: 8, vendor: 10, product: 12, version: 14, evbit: 16, keybit: 24, relbit: 120, absbit: 128, mscbit: 136, ledbit: 144, sndbit: 152, ffbit: 160, swbit: 176, propbit: 184,
  driver_info: 192,
} as const;
export const INPUT_DEVICE_ID_MATCH_BUS = 1;
export const INPUT_DEVICE_ID_MATCH_VENDOR = 2;
export const INPUT_DEVICE_ID_MATCH_PRODUCT = 4;
export const INPUT_DEVICE_ID_MATCH_VERSION = 8;
/** struct input_keymap_entry. */
export const KeymapEntry = { flags: 0, len: 1, index: 2, keycode: 4, scancode: 8 } as const;
export const INPUT_KEYMAP_BY_INDEX = 1;
