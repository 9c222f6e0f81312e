// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/i2c.h>

/* An adapter that nobody registers: what i2c_transfer does with it. */
static int busy, fail, locked;
static int xfer(struct i2c_adapter *adap, struct i2c_msg *msgs, int num)
{
	int i;

	pr_info("transfer of %d, locked %d\n", num, locked);
	if (busy-- > 0)
		return -EAGAIN;
	if (fail)
		return fail;
	for (i = 0; i < num; i++) {
		pr_info("  %s %#x flags %#x: %*ph\n", msgs[i].flags & I2C_M_RD ? "read" : "write", msgs[i].addr, msgs[i].flags, msgs[i].len, msgs[i].buf);
		if (msgs[i].flags & I2C_M_RD)
			memset(msgs[i].buf, 0x5a, msgs[i].len);
	}
	return num;
}
static const struct i2c_algorithm algo = { .xfer = xfer }, none;
static void lock(struct i2c_adapter *adap, unsigned int flags) { locked++; }
static int trylock(struct i2c_adapter *adap, unsigned int flags) { locked++; return 1; }
static void unlock(struct i2c_adapter *adap, unsigned int flags) { locked--; }
static const struct i2c_lock_operations ops = { .lock_bus = lock, .trylock_bus = trylock, .unlock_bus = unlock };
static struct i2c_adapter adapter = { .algo = &algo, .lock_ops = &ops, .timeout = HZ, .retries = 2, .name = "none" };
static struct i2c_client client = { .addr = 0x42, .adapter = &adapter };

static int __init kc_init(void)
{
	u8 out[2] = { 1, 2 }, in[3] = {};
	struct i2c_msg msgs[2] = { { .addr = 0x10, .len = 2, .buf = out }, { .addr = 0x10, .flags = I2C_M_RD, .len = 3, .buf = in } };

	pr_info("%d", i2c_transfer(&adapter, msgs, 2));
	pr_info("%*ph\n", 3, in);
	busy = 2;
	pr_info("lost twice: %d\n", i2c_transfer(&adapter, msgs, 1));
	busy = 5;
	pr_info("lost always: %d\n", i2c_transfer(&adapter, msgs, 1));
	busy = 0;
	fail = -EREMOTEIO;
	pr_info("no answer: %d\n", i2c_transfer(&adapter, msgs, 1));
	fail = 0;
	pr_info("send %d\n", i2c_master_send(&client, "xyz", 3));
	pr_info("receive %d\n", i2c_master_recv(&client, in, 2));
	client.flags = I2C_CLIENT_TEN;
	pr_info("ten bits %d\n", i2c_master_send(&client, "q", 1));
	pr_info("unlocked %d\n", __i2c_transfer(&adapter, msgs, 1));
	adapter.algo = &none;
	pr_info("no transfers: %d\n", i2c_transfer(&adapter, msgs, 1));
	pr_info("left locked %d\n", locked);
	return 0;
}
KC_ONCE(kc_init, "I2C messages");
