// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/nls.h>

static int up2char(wchar_t uni, unsigned char *out, int boundlen)
{
	if (boundlen <= 0)
		return -ENAMETOOLONG;
	if (uni > 0xff)
		return -EINVAL;
	*out = uni ^ 0x20;
	return 1;
}
static int up2uni(const unsigned char *raw, int boundlen, wchar_t *uni)
{
	*uni = *raw ^ 0x20;
	return 1;
}
static unsigned char same[256];
static struct nls_table table = {
	.charset = "lintel", .alias = "lt", .uni2char = up2char, .char2uni = up2uni, .charset2lower = same, .charset2upper = same,
};
static struct nls_table twin = { .charset = "lintel" };

static void utf(const char *s)
{
	unicode_t c = 0;
	wchar_t wide[16] = {};
	u8 back[32] = {};
	int n, m;

	n = utf8_to_utf32(s, strlen(s), &c);
	pr_info("'%*pE': %d %x", (int)strlen(s), s, n, c);
	n = utf8s_to_utf16s(s, strlen(s), UTF16_LITTLE_ENDIAN, wide, 16);
	pr_cont(", utf16 %d: %04x %04x %04x", n, wide[0], wide[1], wide[2]);
	m = n > 0 ? utf16s_to_utf8s(wide, n, UTF16_LITTLE_ENDIAN, back, sizeof(back)) : -1;
	pr_cont(", back %d %*ph\n", m, 8, back);
}
static int __init kc_init(void)
{
	struct nls_table *t;
	unsigned char c;
	wchar_t u;
	u8 out[8];
	int i, n;

	pr_info("register %d, again %d\n", register_nls(&table), register_nls(&table));
	t = load_nls("lt");
	pr_info("loaded %d, refs %d\n", t == &table, module_refcount(THIS_MODULE));
	n = t->uni2char('a', &c, 1);
	pr_info("uni2char %d %c\n", n, c);
	unload_nls(t);
	pr_info("refs %d\n", module_refcount(THIS_MODULE));
	pr_info("missing %d\n", load_nls("no-such-charset") == NULL);
	t = load_nls("default");
	n = t->char2uni("\xe9", 1, &u);
	pr_info("default: %s, %d %x", t->charset, n, u);
	n = t->uni2char(0xe9, &c, 1);
	pr_cont(", %d %x, too big %d, no room %d, cases %c %c\n", n, c, t->uni2char(0x100, &c, 1), t->uni2char('x', &c, 0), nls_tolower(t, 'Q'), nls_toupper(t, 'q'));
	unload_nls(t);
	pr_info("unregister %d, twin %d, again %d\n", unregister_nls(&table), unregister_nls(&twin), unregister_nls(&table));
	utf("A");
	utf("\xc3\xa9");
	utf("\xe2\x82\xac");
	utf("\xf0\x9f\x98\x80z");
	utf("\xc0\x80");
	utf("\xed\xa0\x80");
	utf("\xe2\x82");
	utf("\xff");
	for (i = 0; i < 5; i++) {
		static const unicode_t chars[] = { 0x7f, 0x80, 0xffff, 0x10ffff, 0xd800 };

		n = utf32_to_utf8(chars[i], out, sizeof(out));
		pr_info("%x: %d %*ph, short %d\n", chars[i], n, n > 0 ? n : 0, out, utf32_to_utf8(chars[i], out, 2));
	}
	return 0;
}
KC_ONCE(kc_init, "character sets");
