/**
 * A header that `kmod build --book` includes before each source: names that kernels of the 5.4 era had and 6.12 has not, so that older source
 * compiles unchanged (module-abi section 3). It maps to what replaced them and changes no behaviour. Macros only, so that a source's own definitions
 * (pr_fmt) still come before the kernel's headers.
 */
export const BOOK_COMPAT_HEADER = `/* Written by lintel kmod build --book. */
#ifndef __ASSEMBLY__
/* 6.12 dropped it: a driver that cannot seek leaves llseek out. */
#ifndef no_llseek
#define no_llseek NULL
#endif

/* 6.8 dropped it. The arguments are the same; the result is -E2BIG instead of the length when it does not fit. */
#ifndef strlcpy
#define strlcpy(to, from, size) strscpy(to, from, size)
#endif

/* 5.11 dropped it: the same function under a clearer name. */
#ifndef kzfree
#define kzfree(p) kfree_sensitive(p)
#endif

/* 5.5 dropped it. */
#ifndef pr_warning
#define pr_warning(...) pr_warn(__VA_ARGS__)
#endif

/* 5.6 dropped it: mappings of devices are uncached anyway. */
#ifndef ioremap_nocache
#define ioremap_nocache(at, size) ioremap(at, size)
#endif

/* 6.7 dropped the first of the pair, which goes over all threads t of all processes g. */
#ifndef do_each_thread
#define do_each_thread(g, t) \\
	for ((g) = (t) = next_task(&init_task); (g) != &init_task; (g) = (t) = next_task(g)) \\
		do
#endif
#endif
`;
/** Headers with the names that the book's kernel had, beside it: where riscv 6.12 has what they declared. */
export const BOOK_HEADERS: readonly (readonly [path: string, text: string])[] = [['asm/fpu/api.h', '#include <linux/fpu.h>\n']];
/** Flags that go with it: what newer compilers made an error. */
export const BOOK_FLAGS: readonly string[] = ['-Wno-error=incompatible-pointer-types'];
/** Symbols that Lintel's kernel exports and Debian's does not: what riscv's MODULES_VADDR and MODULES_END expand to, and what went in 5.17 and 5.7. */
export const BOOK_SYMBOLS: readonly string[] = ['_start', '_end', 'do_exit', 'kallsyms_lookup_name'];
