// What a module can tell about the machine it runs on.
#include <linux/limits.h>
#include <linux/module.h>

MODULE_LICENSE("GPL");

static int __init jo_sysinfo_init(void)
{
	char text[128] = "";
	phys_addr_t top = PHYS_ADDR_MAX;

#ifdef CONFIG_RISCV
	strlcat(text, "riscv, ", sizeof(text));
#endif
#ifdef __BIG_ENDIAN
	strlcat(text, "big-endian; ", sizeof(text));
#else
	strlcat(text, "little-endian; ", sizeof(text));
#endif
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "%d-bit OS", BITS_PER_LONG);
	pr_info("CPU: %s\n", text);
	pr_info("sizeof char %zu short %zu int %zu long %zu long long %zu void * %zu\n", sizeof(char), sizeof(short), sizeof(int), sizeof(long), sizeof(long long),
		sizeof(void *));
	pr_info("u8 0 to %u, s8 %d to %d, u32 to %u, s64 %lld to %lld, u64 to %llu\n", U8_MAX, S8_MIN, S8_MAX, U32_MAX, S64_MIN, S64_MAX, U64_MAX);
	pr_info("physical addresses to %pa, %*ph\n", &top, 4, "\x01\x02\xfe\xff");
	return 0;
}
static void __exit jo_sysinfo_exit(void)
{
}
module_init(jo_sysinfo_init);
module_exit(jo_sysinfo_exit);
