// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/bitmap.h>
#include <linux/hex.h>
#include <linux/kstrtox.h>
#include <linux/string.h>

/* Numbers from text, every way. */
static void number(const char *s)
{
	int i = -1, r;
	unsigned int u = 1;
	long long ll = -1;
	unsigned long long ull = 1;
	u8 b = 1;
	s8 sb = -1;
	u16 w = 1;
	bool t = false;

	r = kstrtoint(s, 0, &i);
	pr_info("'%s': int %d %d", s, r, i);
	r = kstrtouint(s, 10, &u);
	pr_cont(" uint10 %d %u", r, u);
	r = kstrtoll(s, 16, &ll);
	pr_cont(" ll16 %d %lld", r, ll);
	r = kstrtoull(s, 0, &ull);
	pr_cont(" ull %d %llu", r, ull);
	r = kstrtou8(s, 0, &b);
	pr_cont(" u8 %d %u", r, b);
	r = kstrtos8(s, 0, &sb);
	pr_cont(" s8 %d %d", r, sb);
	r = kstrtou16(s, 8, &w);
	pr_cont(" u16/8 %d %u", r, w);
	r = kstrtobool(s, &t);
	pr_cont(" bool %d %d\n", r, t);
}
static void scan(const char *s)
{
	int a = -1, b = -1, n;
	char word[8] = "";
	unsigned int x = 0;

	n = sscanf(s, "%d,%i %7s %x", &a, &b, word, &x);
	pr_info("scan '%s': %d: %d %d '%s' %x\n", s, n, a, b, word, x);
}
static void bits(const char *s)
{
	DECLARE_BITMAP(map, 70);
	int r = bitmap_parselist(s, map, 70);

	pr_info("list '%s': %d", s, r);
	if (!r)
		pr_cont(" %*pbl %*pb weight %d", 70, map, 70, map, bitmap_weight(map, 70));
	pr_cont("\n");
}
static int __init kc_init(void)
{
	static const char * const numbers[] = { "0", "42", "-1", "+7", "0x1f", "017", "08", "255", "256", "-128", "-129", "2147483647", "2147483648", "99999999999999999999",
		"12\n", "12 ", " 12", "", "x", "y", "No", "on", "off", "1z", "-", "0x", "0b11", "18446744073709551615", "-9223372036854775808" };
	static const char * const lists[] = { "0-3,7", "0-69", "5-2", "70", "1-10:2/5", "N", "0-N:1/7", "all", "", "3,", " 4 , 6", "a", "0-9:3", "1--2" };
	DECLARE_BITMAP(map, 70);
	u8 raw[4];
	char hex[16] = "", *end;
	int i, r;

	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		number(numbers[i]);
	pr_info("simple %lu", simple_strtoul("0x2az", &end, 0));
	pr_cont(" '%s' %ld %llu %lld\n", end, simple_strtol("-12x", NULL, 10), simple_strtoull("777", NULL, 8), simple_strtoll("-0x10", NULL, 0));
	scan("12,0x10 word beef");
	scan("12, 7 longerthanseven 1");
	scan("x");
	scan("-5,010");
	r = hex2bin(raw, "00fFa5x1", 3);
	pr_info("hex2bin %d %*ph, %d\n", r, 3, raw, hex2bin(raw, "0g", 1));
	end = bin2hex(hex, "\x01\xab\xff", 3);
	pr_info("bin2hex %s %d, digits %d %d %d\n", hex, (int)(end - hex), hex_to_bin('a'), hex_to_bin('F'), hex_to_bin('g'));
	for (i = 0; i < ARRAY_SIZE(lists); i++)
		bits(lists[i]);
	r = bitmap_parse("3f,00000001", 11, map, 70);
	pr_info("parse %d %*pbl", r, 70, map);
	pr_cont(", %d %d\n", bitmap_parse("1ffffffff", 9, map, 70), bitmap_parse("40,00000000,00000000", 20, map, 70));
	return 0;
}
KC_ONCE(kc_init, "numbers from text");
