// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/kfifo.h>

static DEFINE_KFIFO(fixed, int, 8);
static DECLARE_KFIFO_PTR(dynamic, short);
static struct kfifo_rec_ptr_1 records;
static struct kfifo_rec_ptr_2 wide;

static int __init kc_init(void)
{
	int out[8], i, n, v;
	short s[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, t[8] = {};
	char buf[16];
	static char big[300];

	for (i = 0; i < 10; i++)
		pr_info("put %d: %d\n", i, kfifo_put(&fixed, i * i));
	pr_info("len %u avail %u full %d empty %d\n", kfifo_len(&fixed), kfifo_avail(&fixed), kfifo_is_full(&fixed), kfifo_is_empty(&fixed));
	n = kfifo_get(&fixed, &v);
	pr_info("get %d: %d\n", n, v);
	n = kfifo_peek(&fixed, &v);
	pr_info("peek %d: %d\n", n, v);
	n = kfifo_in(&fixed, ((int[]){ 100, 101, 102 }), 3);
	pr_info("in %d\n", n);
	n = kfifo_out_peek(&fixed, out, 3);
	pr_info("out_peek %d: %d %d %d\n", n, out[0], out[1], out[2]);
	n = kfifo_out(&fixed, out, 8);
	pr_info("out %d: %d %d %d .. %d\n", n, out[0], out[1], out[2], out[7]);
	pr_info("get %d\n", kfifo_get(&fixed, &v));

	pr_info("alloc %d\n", kfifo_alloc(&dynamic, 5, GFP_KERNEL));
	pr_info("size %u esize %u\n", kfifo_size(&dynamic), kfifo_esize(&dynamic));
	pr_info("in %u\n", kfifo_in(&dynamic, s, 6));
	pr_info("out %u\n", kfifo_out(&dynamic, t, 4));
	pr_info("in %u\n", kfifo_in(&dynamic, s, 8));
	n = kfifo_out(&dynamic, t, 8);
	pr_info("out %d: %*ph\n", n, 16, t);
	kfifo_free(&dynamic);
	pr_info("too small %d\n", kfifo_alloc(&dynamic, 1, GFP_KERNEL));

	pr_info("records %d\n", kfifo_alloc(&records, 32, GFP_KERNEL));
	pr_info("in %u %u\n", kfifo_in(&records, "hello", 5), kfifo_in(&records, "worlds", 6));
	pr_info("peek_len %u len %u avail %u\n", kfifo_peek_len(&records), kfifo_len(&records), kfifo_avail(&records));
	pr_info("too long %u\n", kfifo_in(&records, big, 30));
	memset(buf, 0, sizeof(buf));
	n = kfifo_out_peek(&records, buf, 3);
	pr_info("peek %d %s\n", n, buf);
	kfifo_skip(&records);
	n = kfifo_out(&records, buf, sizeof(buf));
	pr_info("out %d %s\n", n, buf);
	pr_info("out of nothing %u\n", kfifo_out(&records, buf, sizeof(buf)));
	kfifo_free(&records);
	memset(big, 'x', sizeof(big));
	pr_info("wide %d\n", kfifo_alloc(&wide, 1024, GFP_KERNEL));
	pr_info("in %u %u, peek_len %u\n", kfifo_in(&wide, big, 300), kfifo_in(&wide, big, 256), kfifo_peek_len(&wide));
	pr_info("out %u\n", kfifo_out(&wide, big, 200));
	pr_info("peek_len %u\n", kfifo_peek_len(&wide));
	kfifo_free(&wide);
	return 0;
}
KC_ONCE(kc_init, "fifos");
