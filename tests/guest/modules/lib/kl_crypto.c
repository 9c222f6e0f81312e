// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/crypto.h>
#include <linux/delay.h>
#include <crypto/algapi.h>
#include <crypto/internal/hash.h>
#include <crypto/internal/cipher.h>

/* A hash (a sum with a key) and a cipher (an exclusive or) that no kernel has, and users of both. */
struct sum_ctx {
	u32 key;
};
struct sum_state {
	u32 sum;
};
static int sum_init(struct shash_desc *desc)
{
	((struct sum_state *)shash_desc_ctx(desc))->sum = ((struct sum_ctx *)crypto_shash_ctx(desc->tfm))->key;
	return 0;
}
static int sum_update(struct shash_desc *desc, const u8 *data, unsigned int len)
{
	struct sum_state *s = shash_desc_ctx(desc);

	while (len--)
		s->sum = s->sum * 31 + *data++;
	return 0;
}
static int sum_final(struct shash_desc *desc, u8 *out)
{
	memcpy(out, &((struct sum_state *)shash_desc_ctx(desc))->sum, 4);
	return 0;
}
static int sum_setkey(struct crypto_shash *tfm, const u8 *key, unsigned int len)
{
	if (len != 4)
		return -EINVAL;
	memcpy(crypto_shash_ctx(tfm), key, 4);
	return 0;
}
static int sum_create(struct crypto_tfm *tfm)
{
	pr_info("created, a context of %u bytes\n", crypto_tfm_alg_blocksize(tfm));
	return 0;
}
static void sum_destroy(struct crypto_tfm *tfm)
{
	pr_info("destroyed\n");
}
static struct shash_alg sums[] = { {
	.digestsize = 4, .init = sum_init, .update = sum_update, .final = sum_final, .setkey = sum_setkey, .descsize = sizeof(struct sum_state),
	.base = { .cra_name = "lintelsum", .cra_driver_name = "lintelsum-a", .cra_priority = 10, .cra_blocksize = 3, .cra_ctxsize = sizeof(struct sum_ctx),
		.cra_module = THIS_MODULE, .cra_init = sum_create, .cra_exit = sum_destroy },
}, {
	.digestsize = 4, .init = sum_init, .update = sum_update, .final = sum_final, .descsize = sizeof(struct sum_state),
	.base = { .cra_name = "lintelsum", .cra_driver_name = "lintelsum-b", .cra_priority = 20, .cra_blocksize = 1, .cra_ctxsize = sizeof(struct sum_ctx),
		.cra_module = THIS_MODULE },
} };
static int x_setkey(struct crypto_tfm *tfm, const u8 *key, unsigned int len)
{
	*(u8 *)crypto_tfm_ctx(tfm) = *key;
	return 0;
}
static void x_crypt(struct crypto_tfm *tfm, u8 *to, const u8 *from)
{
	int i;

	for (i = 0; i < 4; i++)
		to[i] = from[i] ^ *(u8 *)crypto_tfm_ctx(tfm);
}
static struct crypto_alg x = {
	.cra_name = "lintelxor", .cra_driver_name = "lintelxor-generic", .cra_priority = 5, .cra_flags = CRYPTO_ALG_TYPE_CIPHER, .cra_blocksize = 4,
	.cra_ctxsize = 1, .cra_module = THIS_MODULE,
	.cra_u = { .cipher = { .cia_min_keysize = 1, .cia_max_keysize = 2, .cia_setkey = x_setkey, .cia_encrypt = x_crypt, .cia_decrypt = x_crypt } },
};

static int use(const char *name)
{
	struct crypto_shash *tfm = crypto_alloc_shash(name, 0, 0);
	u8 out[4], state[16];
	int r;

	if (IS_ERR(tfm)) {
		pr_info("%s: %ld\n", name, PTR_ERR(tfm));
		return 0;
	}
	{
		SHASH_DESC_ON_STACK(desc, tfm);

		desc->tfm = tfm;
		pr_info("%s: %s, digest %u, state %u, refs %d\n", name, crypto_shash_driver_name(tfm), crypto_shash_digestsize(tfm), crypto_shash_descsize(tfm), module_refcount(THIS_MODULE));
		r = crypto_shash_digest(desc, "abc", 3, out);
		pr_info("digest %d %*ph\n", r, r ? 0 : 4, out);
		pr_info("setkey %d %d\n", crypto_shash_setkey(tfm, "xx", 2), crypto_shash_setkey(tfm, "keys", 4));
		r = crypto_shash_digest(desc, "abc", 3, out);
		pr_info("digest %d %*ph\n", r, r ? 0 : 4, out);
		r = crypto_shash_tfm_digest(tfm, "abc", 3, out);
		pr_info("tfm digest %d %*ph\n", r, r ? 0 : 4, out);
		r = crypto_shash_init(desc) ?: crypto_shash_update(desc, "a", 1);
		r = r ?: crypto_shash_export(desc, state);
		r = r ?: crypto_shash_update(desc, "zzz", 3);
		r = r ?: crypto_shash_import(desc, state);
		r = r ?: crypto_shash_finup(desc, "bc", 2, out);
		pr_info("pieces %d %*ph\n", r, r ? 0 : 4, out);
	}
	crypto_free_shash(tfm);
	return 0;
}
static int __init kc_init(void)
{
	struct crypto_cipher *c;
	u8 block[4] = { 1, 2, 3, 4 };

	pr_info("register %d\n", crypto_register_shashes(sums, 2));
	pr_info("cipher %d\n", crypto_register_alg(&x));
	/* Linux looks for self-tests of them meanwhile. */
	msleep(300);
	pr_info("again %d\n", crypto_register_shash(&sums[0]));
	use("lintelsum");
	use("lintelsum-a");
	use("lintelnothing");
	pr_info("has %d %d\n", crypto_has_alg("lintelxor", 0, 0), crypto_has_alg("lintelnothing", 0, 0));
	c = crypto_alloc_cipher("lintelxor", 0, 0);
	pr_info("block %u, setkey %d %d\n", crypto_cipher_blocksize(c), crypto_cipher_setkey(c, "Key", 3), crypto_cipher_setkey(c, "K", 1));
	crypto_cipher_encrypt_one(c, block, block);
	pr_info("encrypted %*ph\n", 4, block);
	crypto_cipher_decrypt_one(c, block, block);
	pr_info("decrypted %*ph\n", 4, block);
	crypto_free_cipher(c);
	pr_info("refs %d\n", module_refcount(THIS_MODULE));
	return 0;
}
static void __exit kc_exit(void)
{
	crypto_unregister_alg(&x);
	crypto_unregister_shashes(sums, 2);
}
KC_MODULE(kc_init, kc_exit, "a hash and a cipher");
MODULE_IMPORT_NS(CRYPTO_INTERNAL);
