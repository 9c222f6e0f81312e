// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <crypto/chacha.h>
#include <linux/lz4.h>

/* What the kernel has for other modules' compressors and ciphers. */
static int __init kc_init(void)
{
	static const u8 packed[] = { 0x35, 'a', 'b', 'c', 3, 0, 0x00 + 0x50, 'h', 'e', 'l', 'l', 'o' };
	u32 state[16], half[8];
	u8 stream[64], out[40];
	int i, n;

	for (i = 0; i < 16; i++)
		state[i] = i * 0x01020304;
	chacha_block_generic(state, stream, 20);
	pr_info("chacha %*ph, counter %x\n", 32, stream, state[12]);
	chacha_block_generic(state, stream, 12);
	pr_info("chacha12 %*ph\n", 16, stream);
	hchacha_block_generic(state, half, 20);
	pr_info("hchacha %*ph\n", 32, half);
	n = LZ4_decompress_safe(packed, out, sizeof(packed), sizeof(out));
	pr_info("lz4 %d %.*s\n", n, n > 0 ? n : 0, out);
	pr_info("too small %d\n", LZ4_decompress_safe(packed, out, sizeof(packed), 10) < 0);
	pr_info("cut off %d\n", LZ4_decompress_safe(packed, out, 5, sizeof(out)) < 0);
	return 0;
}
KC_ONCE(kc_init, "ChaCha and LZ4");
