// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/uuid.h>

static int __init kc_init(void)
{
	static const char text[] = "01234567-89AB-cdef-0123-456789abcdef";
	uuid_t u, v;
	guid_t g;
	u8 raw[16];

	pr_info("valid %d %d %d\n", uuid_is_valid(text), uuid_is_valid("01234567-89ab-cdef-0123-456789abcde"), uuid_is_valid("01234567x89ab-cdef-0123-456789abcdef"));
	pr_info("parse %d %*ph\n", uuid_parse(text, &u), 16, &u);
	pr_info("parse %d %*ph\n", guid_parse(text, &g), 16, &g);
	pr_info("bad %d\n", uuid_parse("nonsense", &u));
	pr_info("%pUb %pUB %pUl %pUL\n", &u, &u, &g, &g);
	pr_info("null %d %d\n", uuid_is_null(&uuid_null), guid_is_null(&guid_null));
	uuid_gen(&u);
	uuid_gen(&v);
	pr_info("random: version %d variant %d, differ %d\n", u.b[6] >> 4, u.b[8] >> 6, !uuid_equal(&u, &v));
	guid_gen(&g);
	pr_info("random: version %d variant %d\n", g.b[7] >> 4, g.b[8] >> 6);
	generate_random_uuid(raw);
	pr_info("random: version %d variant %d\n", raw[6] >> 4, raw[8] >> 6);
	return 0;
}
KC_ONCE(kc_init, "UUIDs");
