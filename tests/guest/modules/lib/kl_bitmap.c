// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/bitmap.h>

static int __init kc_init(void)
{
	unsigned long *map = bitmap_zalloc(200, GFP_KERNEL), start;
	DECLARE_BITMAP(other, 200);

	if (!map)
		return -ENOMEM;
	bitmap_set(map, 10, 90);
	bitmap_clear(map, 50, 5);
	pr_info("weight %u, %*pbl\n", bitmap_weight(map, 200), 200, map);
	bitmap_zero(other, 200);
	pr_info("parse %d, bad %d, far %d\n", bitmap_parselist("3,60-70,190-199:2/5", other, 200), bitmap_parselist("5-3", other, 200),
		bitmap_parselist("500", other, 200));
	bitmap_zero(other, 200);
	bitmap_parselist("3,60-70,190-199:2/5", other, 200);
	pr_info("%*pbl\n", 200, other);
	pr_info("intersects %d subset %d equal %d\n", bitmap_intersects(map, other, 200), bitmap_subset(other, map, 200), bitmap_equal(map, map, 200));
	bitmap_and(other, other, map, 200);
	pr_info("and %*pbl\n", 200, other);
	bitmap_shift_right(other, map, 7, 200);
	pr_info("right %*pbl\n", 200, other);
	bitmap_shift_left(other, map, 100, 200);
	pr_info("left %*pbl\n", 200, other);
	start = bitmap_find_next_zero_area(map, 200, 0, 6, 7);
	pr_info("area %lu, last %lu, next zero %lu\n", start, find_last_bit(map, 200), find_next_zero_bit(map, 200, 12));
	bitmap_free(map);
	return 0;
}
KC_ONCE(kc_init, "bit maps");
