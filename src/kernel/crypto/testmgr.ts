// Names that Linux's self-tests know (crypto/testmgr.c). None of the tests is made here; of any other algorithm both say that there is no test.

/** Ciphers of single blocks are tested in the mode ecb. */
const CIPHERS = new Set(
  'aes anubis arc4 aria blowfish camellia cast5 cast6 cipher_null des des3_ede fcrypt khazad seed serpent sm4 tea tnepres twofish xeta xtea'.split(' '),
);
const NAMES = new Set(
  (
    '842 aegis128 ansi_cprng blake2b-160 blake2b-256 blake2b-384 blake2b-512 chacha20 compress_null crc32 crc32c crc64-rocksoft crct10dif curve25519 ' +
    'deflate dh digest_null ecdh-nist-p192 ecdh-nist-p256 ecdh-nist-p384 ecdsa-nist-p192 ecdsa-nist-p256 ecdsa-nist-p384 ecdsa-nist-p521 ecrdsa ghash ' +
    'jitterentropy_rng lz4 lz4hc lzo lzo-rle md4 md5 michael_mic nhpoly1305 poly1305 polyval rmd160 rsa sha1 sha224 sha256 sha384 sha512 sha3-224 sha3-256 ' +
    'sha3-384 sha3-512 sm3 streebog256 streebog512 wp256 wp384 wp512 xchacha12 xchacha20 xxhash64 zlib-deflate zstd'
  ).split(' '),
);
export function isTested(name: string, driver: string, cipher: boolean): boolean {
  const known = cipher ? CIPHERS : NAMES;
  return known.has(name) || known.has(driver);
}
