// SPDX-License-Identifier: Apache-2.0
// Built for the suite as null.prog (record.mjs). J7-9.3 (M47): writes to address 0; with an argument, reads where nothing is mapped.
void _start(void)
{
	register long *sp asm("sp");

	if (*sp > 1)
		(void)*(volatile int *)0x3000000000;
	*(volatile int *)0 = 1;
	for (;;)
		;
}
