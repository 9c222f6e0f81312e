// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/string_helpers.h>
#include <linux/glob.h>
#include <linux/slab.h>
#include <linux/base64.h>

static void sized(u64 blocks, u64 size)
{
	char a[32], b[32], c[8];
	int n;

	n = string_get_size(blocks, size, STRING_UNITS_2, a, sizeof(a));
	string_get_size(blocks, size, STRING_UNITS_10, b, sizeof(b));
	string_get_size(blocks, size, STRING_UNITS_2 | STRING_UNITS_NO_SPACE | STRING_UNITS_NO_BYTES, c, sizeof(c));
	pr_info("%llu x %llu: %d %s, %s, %s\n", blocks, size, n, a, b, c);
}
static void unescape(const char *s)
{
	char out[40];
	int n = string_unescape((char *)s, out, sizeof(out), UNESCAPE_ANY);

	pr_info("unescape %s: %d %*ph\n", s, n, n, out);
}
static void options(char *s)
{
	int ints[8] = {}, n, v = -1;
	char *at = s;

	n = get_option(&at, &v);
	pr_info("option '%s': %d %d '%s'", s, n, v, at);
	at = get_options(s, ARRAY_SIZE(ints), ints);
	pr_cont("; options %d: %d %d %d %d rest '%s'\n", ints[0], ints[1], ints[2], ints[3], ints[4], at);
}
static int __init kc_init(void)
{
	static const char * const globs[][2] = { { "a*b", "aXXb" }, { "a*b", "ab" }, { "a?b", "ab" }, { "[a-c]*", "bz" }, { "[!a-c]*", "bz" },
		{ "\\*", "*" }, { "*[", "x[" }, { "[]x]", "]" }, { "", "" }, { "*", "" }, { "a*a*a", "aaaa" }, { "*.ko", "x.ko.xz" }, { "[a-]", "-" } };
	char buf[16], **v, *end;
	u8 raw[16];
	int i, n;

	sized(0, 512); sized(1, 1); sized(999, 1); sized(1000, 1); sized(1023, 1); sized(1024, 1); sized(1536, 1); sized(8, 512);
	sized(123456789, 512); sized(1, 1048575); sized(~0ULL, 1); sized(1999, 1); sized(99950, 1);
	unescape("a\\nb\\tc"); unescape("\\x41\\101\\e\\\"\\q\\"); unescape("\\777\\xzz\\x4");
	options("5,7-9,x"); options("-3"); options("0x10,020"); options(""); options("abc"); options("4-2,1");
	for (i = 0; i < ARRAY_SIZE(globs); i++)
		pr_info("glob %s %s: %d\n", globs[i][0], globs[i][1], glob_match(globs[i][0], globs[i][1]));
	v = argv_split(GFP_KERNEL, "  one two\tthree ", &n);
	pr_info("argv %d: %s|%s|%s|%d\n", n, v[0], v[1], v[2], v[3] == NULL);
	argv_free(v);
	pr_info("memparse %llu", memparse("64K!", &end));
	pr_cont(" '%s' %llu %llu %llu\n", end, memparse("0x1fM", NULL), memparse("3g", NULL), memparse("x", NULL));
	v = kasprintf_strarray(GFP_KERNEL, "pin", 3);
	pr_info("names %s %s %s\n", v[0], v[1], v[2]);
	kfree_strarray(v, 3);
	memcpy_and_pad(buf, 8, "abc", 3, '.');
	pr_info("padded %.8s\n", buf);
	memcpy_and_pad(buf, 2, "abc", 3, '.');
	end = kstrdup_and_replace("a/b/c", '/', '!', GFP_KERNEL);
	pr_info("replaced %s\n", end);
	kfree(end);
	pr_info("weight %zu\n", memweight("\xff\x01\x80", 3));
	n = base64_encode("hello!", 5, buf);
	pr_info("base64 %d %.*s", n, n, buf);
	n = base64_decode(buf, n, raw);
	pr_cont(" back %d %.*s bad %d\n", n, n, raw, base64_decode("a$bc", 4, raw));
	return 0;
}
KC_ONCE(kc_init, "text helpers");
