// SipHash-2-4 of one 64-bit word (lib/siphash.c, siphash_1u64; Aumasson and Bernstein, "SipHash: a fast short-input PRF").

const M = (1n << 64n) - 1n;
const rotl = (x: bigint, n: bigint) => ((x << n) | (x >> (64n - n))) & M;

/** A 128-bit key as two little-endian words. */
export interface SiphashKey {
  readonly k0: bigint;
  readonly k1: bigint;
}

export function siphash1u64(word: bigint, key: SiphashKey): bigint {
  let v0 = 0x736f6d6570736575n ^ key.k0;
  let v1 = 0x646f72616e646f6dn ^ key.k1;
  let v2 = 0x6c7967656e657261n ^ key.k0;
  let v3 = 0x7465646279746573n ^ key.k1;
  const rounds = (n: number) => {
    for (; n > 0; n--) {
      v0 = (v0 + v1) & M;
      v1 = rotl(v1, 13n) ^ v0;
      v0 = rotl(v0, 32n);
      v2 = (v2 + v3) & M;
      v3 = rotl(v3, 16n) ^ v2;
      v0 = (v0 + v3) & M;
      v3 = rotl(v3, 21n) ^ v0;
      v2 = (v2 + v1) & M;
      v1 = rotl(v1, 17n) ^ v2;
      v2 = rotl(v2, 32n);
    }
  };
  // The message, then its length in the top byte of the last block.
  for (const block of [word & M, 8n << 56n]) {
    v3 ^= block;
    rounds(2);
    v0 ^= block;
  }
  v2 ^= 0xffn;
  rounds(4);
  return v0 ^ v1 ^ v2 ^ v3;
}
