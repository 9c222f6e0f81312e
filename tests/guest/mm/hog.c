// SPDX-License-Identifier: Apache-2.0
// hog MEGABYTES [WORD [SECONDS]]: touches so much private memory, says the word, sleeps. Without a C library.
static long call(long n, long a, long b, long c, long d, long e, long f)
{
	register long a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c, a3 __asm__("a3") = d, a4 __asm__("a4") = e, a5 __asm__("a5") = f,
		      a7 __asm__("a7") = n;

	__asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7) : "memory");
	return a0;
}
static long number(const char *s)
{
	long n = 0;

	while (*s >= '0' && *s <= '9')
		n = n * 10 + *s++ - '0';
	return n;
}
__attribute__((used)) void begin(long *sp)
{
	long argc = sp[0], bytes = number((char *)sp[2]) << 20, length = 0;
	volatile char *p = (char *)call(222, 0, bytes, 3, 0x22, -1, 0); /* mmap */

	call(233, (long)p, bytes, 15, 0, 0, 0); /* madvise(MADV_NOHUGEPAGE) */
	for (long i = 0; i < bytes; i += 4096)
		p[i] = 1;
	if (argc > 2) {
		char *word = (char *)sp[3];

		while (word[length])
			length++;
		call(64, 1, (long)word, length, 0, 0, 0);
		call(64, 1, (long)"\n", 1, 0, 0, 0);
	}
	if (argc > 3) {
		long time[2] = { number((char *)sp[4]), 0 };

		call(101, (long)time, 0, 0, 0, 0, 0); /* nanosleep */
	}
	call(94, 0, 0, 0, 0, 0, 0);
}
__asm__(".globl _start\n_start: mv a0, sp\n\tandi sp, sp, -16\n\tcall begin\n");
