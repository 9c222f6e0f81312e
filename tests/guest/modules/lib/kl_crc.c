// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/crc32.h>
#include <linux/crc-ccitt.h>
#include <linux/crc-t10dif.h>
#include <linux/crc64.h>
#include <linux/xxhash.h>
#include <linux/bitrev.h>

static int __init kc_init(void)
{
	static u8 data[200];
	struct xxh64_state s64;
	struct xxh32_state s32;
	u32 a, b;
	int i;

	for (i = 0; i < 200; i++)
		data[i] = i * 31 + 7;
	pr_info("crc32_le %08x %08x\n", crc32_le(~0, data, 200), crc32_le(0, data, 3));
	pr_info("crc32_be %08x %08x\n", crc32_be(~0, data, 200), crc32_be(0, data, 3));
	pr_info("crc32c %08x\n", __crc32c_le(~0, data, 200));
	a = crc32_le(0, data, 120);
	b = crc32_le(0, data + 120, 80);
	pr_info("combined %08x %08x\n", crc32_le_combine(a, b, 80), crc32_le(0, data, 200));
	a = __crc32c_le(0, data, 33);
	b = __crc32c_le(0, data + 33, 167);
	pr_info("combined %08x %08x\n", __crc32c_le_combine(a, b, 167), __crc32c_le(0, data, 200));
	pr_info("crc_ccitt %04x\n", crc_ccitt(0xffff, data, 200));
	pr_info("crc_t10dif %04x %04x\n", crc_t10dif(data, 200), crc_t10dif_update(0x1234, data, 20));
	pr_info("crc64_be %016llx\n", crc64_be(0, data, 200));
	pr_info("rocksoft %016llx %016llx\n", crc64_rocksoft(data, 200), crc64_rocksoft_update(5, data, 100));
	for (i = 0; i < 200; i += 37)
		pr_info("xxh %d: %08x %016llx\n", i, xxh32(data, i, 1), xxh64(data, i, 1));
	xxh64_reset(&s64, 42);
	xxh32_reset(&s32, 42);
	for (i = 0; i < 190; i += 19) {
		xxh64_update(&s64, data + i, 19);
		xxh32_update(&s32, data + i, 19);
	}
	pr_info("pieces %08x %016llx\n", xxh32_digest(&s32), xxh64_digest(&s64));
	pr_info("whole  %08x %016llx\n", xxh32(data, 190, 42), xxh64(data, 190, 42));
	pr_info("bitrev %08x %04x\n", bitrev32(0x12345678), bitrev16(0x8001));
	return 0;
}
KC_ONCE(kc_init, "checks and hashes");
