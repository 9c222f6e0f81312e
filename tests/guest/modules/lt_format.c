// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* What printk makes of its formats when the arguments come from compiled code. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/errno.h>

static const u8 bytes[] = { 0xde, 0xad, 0xbe, 0xef, 0x00, 0x7f };
static const u8 mac[] = { 0x02, 0x00, 0x5e, 0x10, 0x00, 0xff };

static int __init lt_format_init(void)
{
	phys_addr_t pa = 0x80200000;
	__be32 ip = cpu_to_be32(0xc0a80001);

	pr_info("%d %i %u %x %X %o %c %%\n", -1, 2, 3u, 0xabc, 0xabc, 8, 'z');
	pr_info("[%5d] [%-5d] [%05d] [%+d] [% d] [%#x] [%#o] [%.3d]\n", 42, 42, 42, 42, 42, 42, 8, 7);
	pr_info("%ld %lu %lld %llu %zu %zd %hd %hhu\n", -5L, 5UL, -6LL, 6ULL, sizeof(long), (ssize_t)-7, (short)-8, (unsigned char)200);
	pr_info("%lx %llx %016llx %pa\n", ~0UL, 0x123456789abcdefULL, 0xffULL, &pa);
	pr_info("[%s] [%10s] [%-10s] [%.2s] [%*s] [%.*s]\n", "abc", "abc", "abc", "abc", 6, "abc", 1, "abc");
	pr_info("%s %s\n", (char *)NULL, "after null");
	pr_info("%*ph|%*phC|%*phD|%*phN\n", 6, bytes, 6, bytes, 6, bytes, 6, bytes);
	pr_info("%pI4 %pi4 %pM %pm\n", &ip, &ip, mac, mac);
	pr_info("%pe %pe\n", ERR_PTR(-ENOENT), ERR_PTR(-EINVAL));
	pr_info("%ps %pS\n", bytes - 1 + 1 == bytes ? (void *)lt_format_init : NULL, (void *)lt_format_init);
	pr_info("%p %px\n", NULL, NULL);
	print_hex_dump(KERN_INFO, "hex: ", DUMP_PREFIX_OFFSET, 16, 4, bytes, sizeof(bytes), true);
	print_hex_dump_bytes("raw ", DUMP_PREFIX_NONE, mac, sizeof(mac));
	return 0;
}

static void __exit lt_format_exit(void)
{
}

module_init(lt_format_init);
module_exit(lt_format_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("printk formats");
