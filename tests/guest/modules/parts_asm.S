// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <linux/linkage.h>

/* long parts_asm(long n): three times n. */
SYM_FUNC_START(parts_asm)
	slli	t0, a0, 1
	add	a0, a0, t0
	ret
SYM_FUNC_END(parts_asm)
