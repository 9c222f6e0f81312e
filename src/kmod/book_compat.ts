/**
 * A header that `kmod build --book` includes before each source: names that kernels of the 5.4 era had and 6.12 has not, so that older source
 * compiles unchanged (module-abi section 3). It maps to what replaced them and changes no behaviour.
 */
export const BOOK_COMPAT_HEADER = `/* Written by lintel kmod build --book. */
#ifndef __ASSEMBLY__
#include <linux/sched/signal.h>
#include <linux/string.h>

/* 6.12 dropped it: a driver that cannot seek leaves llseek out. */
#ifndef no_llseek
#define no_llseek NULL
#endif

/* 6.8 dropped it. The arguments are the same; the result is -E2BIG instead of the length when it does not fit. */
#ifndef strlcpy
#define strlcpy(to, from, size) strscpy(to, from, size)
#endif

/* 6.7 dropped the pair: all threads t of all processes g. */
#ifndef do_each_thread
#define do_each_thread(g, t) \\
	for ((g) = next_task(&init_task); (g) != &init_task; (g) = next_task(g)) { \\
		(t) = (g); \\
		do
#define while_each_thread(g, t) \\
		while (((t) = next_thread(t)) != (g)); \\
	}
#endif
#endif
`;
/** Flags that go with it: what newer compilers made an error. */
export const BOOK_FLAGS: readonly string[] = ['-Wno-error=incompatible-pointer-types'];
/** Symbols that riscv's MODULES_VADDR and MODULES_END expand to: Lintel's kernel exports them, Debian's does not. */
export const BOOK_SYMBOLS: readonly string[] = ['_start', '_end'];
