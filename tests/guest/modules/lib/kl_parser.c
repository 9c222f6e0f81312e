// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/parser.h>
#include <linux/slab.h>

enum { o_size, o_name, o_mode, o_hex, o_neg, o_flag, o_pair, o_bad };
static const match_table_t table = {
	{ o_size, "size=%u" }, { o_name, "name=%s" }, { o_mode, "mode=%o" }, { o_hex, "hex=%x" }, { o_neg, "neg=%d" },
	{ o_flag, "100%%" }, { o_pair, "pair=%d:%5s" }, { o_bad, NULL },
};
static int __init kc_init(void)
{
	static const char * const options[] = { "size=42", "size=0x42", "size=x", "name=abc def", "name=", "mode=0755", "hex=beef",
		"neg=-17", "neg=--1", "100%", "100", "pair=7:abcdef", "pair=7:abcde", "size=99999999999", "other" };
	substring_t args[MAX_OPT_ARGS];
	int i, n, r;
	u64 big;
	unsigned int u;
	char *s, buf[4];

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		char copy[32];
		int token;

		strscpy(copy, options[i], sizeof(copy));
		token = match_token(copy, table, args);
		pr_info("%s: %d\n", options[i], token);
		if (token == o_bad || token == o_flag)
			continue;
		s = match_strdup(&args[0]);
		n = -1;
		r = match_int(&args[0], &n);
		pr_info("  '%s' int %d %d", s, r, n);
		r = match_octal(&args[0], &n);
		pr_cont(" octal %d", r);
		r = match_hex(&args[0], &n);
		pr_cont(" hex %d", r);
		r = match_u64(&args[0], &big);
		pr_cont(" u64 %d", r);
		r = match_uint(&args[0], &u);
		pr_cont(" uint %d", r);
		pr_cont(" copy %zu", match_strlcpy(buf, &args[0], sizeof(buf)));
		pr_cont(" '%s'\n", buf);
		kfree(s);
	}
	pr_info("wildcard %d %d %d %d %d\n", match_wildcard("a*c?", "abbbcd"), match_wildcard("a*c?", "abc"), match_wildcard("*", ""),
		match_wildcard("??", "x"), match_wildcard("*b*b", "abab"));
	return 0;
}
KC_ONCE(kc_init, "options");
