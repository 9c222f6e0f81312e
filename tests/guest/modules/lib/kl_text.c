// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/textsearch.h>
#include <linux/slab.h>

/* A plain search, as an algorithm of our own. */
struct naive {
	unsigned int len;
	char pattern[];
};
static struct ts_config *naive_init(const void *pattern, unsigned int len, gfp_t gfp, int flags)
{
	struct ts_config *conf = alloc_ts_config(sizeof(struct naive) + len, gfp);
	struct naive *n;

	if (IS_ERR(conf))
		return conf;
	if (flags & TS_IGNORECASE) {
		kfree(conf);
		return ERR_PTR(-EOPNOTSUPP);
	}
	n = ts_config_priv(conf);
	n->len = len;
	memcpy(n->pattern, pattern, len);
	return conf;
}
static unsigned int naive_find(struct ts_config *conf, struct ts_state *state)
{
	struct naive *n = ts_config_priv(conf);
	const u8 *text;
	unsigned int i, len = conf->get_next_block(state->offset, &text, conf, state);

	for (i = 0; i + n->len <= len; i++) {
		if (memcmp(text + i, n->pattern, n->len))
			continue;
		state->offset += i + n->len;
		return state->offset - n->len;
	}
	return UINT_MAX;
}
static void naive_destroy(struct ts_config *conf)
{
	pr_info("destroyed\n");
}
static void *naive_pattern(struct ts_config *conf)
{
	return ((struct naive *)ts_config_priv(conf))->pattern;
}
static unsigned int naive_pattern_len(struct ts_config *conf)
{
	return ((struct naive *)ts_config_priv(conf))->len;
}
static struct ts_ops naive = {
	.name = "naive", .init = naive_init, .find = naive_find, .destroy = naive_destroy, .get_pattern = naive_pattern,
	.get_pattern_len = naive_pattern_len, .owner = THIS_MODULE, .list = LIST_HEAD_INIT(naive.list),
};
static struct ts_ops broken = { .name = "broken" };

static int __init kc_init(void)
{
	static const char text[] = "the cat sat on the catalogue";
	struct ts_config *conf;
	struct ts_state state;
	unsigned int at;

	pr_info("broken %d\n", textsearch_register(&broken));
	pr_info("register %d, twice %d\n", textsearch_register(&naive), textsearch_register(&naive));
	pr_info("unknown %ld\n", PTR_ERR(textsearch_prepare("nothing", "x", 1, GFP_KERNEL, 0)));
	pr_info("empty %ld\n", PTR_ERR(textsearch_prepare("naive", "", 0, GFP_KERNEL, 0)));
	pr_info("flags %ld\n", PTR_ERR(textsearch_prepare("naive", "x", 1, GFP_KERNEL, TS_IGNORECASE)));
	conf = textsearch_prepare("naive", "cat", 3, GFP_KERNEL, TS_AUTOLOAD);
	pr_info("refs %d, pattern %.*s\n", module_refcount(THIS_MODULE), textsearch_get_pattern_len(conf), (char *)textsearch_get_pattern(conf));
	for (at = textsearch_find_continuous(conf, &state, text, sizeof(text) - 1); at != UINT_MAX; at = textsearch_next(conf, &state))
		pr_info("at %u\n", at);
	pr_info("not %d\n", textsearch_find_continuous(conf, &state, "dog", 3) == UINT_MAX);
	textsearch_destroy(conf);
	pr_info("refs %d\n", module_refcount(THIS_MODULE));
	pr_info("unregister %d %d\n", textsearch_unregister(&naive), textsearch_unregister(&naive));
	return 0;
}
KC_ONCE(kc_init, "text search");
