import {
  aead_alg as AEAD,
  akcipher_alg as AKCIPHER,
  crypto_alg as ALG,
  kpp_alg as KPP,
  rng_alg as RNG,
  scomp_alg as SCOMP,
  shash_alg as SHASH,
  skcipher_alg as SKCIPHER,
} from '../../abi/layout/structs.ts';
import { EINVAL } from '../../abi/errno.ts';
import type { Kernel } from '../kernel.ts';
import { size } from '../lib/access.ts';
import { load32, load64, loadBytes, store32, storeBytes } from '../lib/guest_memory.ts';
import { imageListHead } from '../lib/list.ts';
import { type DataExport, type FunctionExport, fn, partial } from '../module/export.ts';
import {
  registerAlgorithm,
  TYPE_AEAD,
  TYPE_AKCIPHER,
  TYPE_KPP,
  TYPE_RNG,
  TYPE_SCOMPRESS,
  TYPE_SHASH,
  TYPE_SKCIPHER,
  unregisterAlgorithm,
} from './api.ts';
import { tfmExports } from './tfm.ts';

// What crypto/ exports: registering each kind of algorithm, one or an array of them, and the two loops that every cipher uses.

const MAX_ALGORITHMS = 1000;
const MAX_DIGEST = 64;
const MAX_STATE = 360;
const SHOWN = 'registered and listed in /proc/crypto; nothing in the kernel uses it';

/** How a kind of algorithm lies in memory, and what is filled in when it is registered. */
interface Kind {
  readonly type: number | null;
  readonly sizeof: number;
  /** Where its struct crypto_alg is. */
  readonly base: number;
  readonly prepare?: (k: Kernel, alg: number) => number;
}
function prepareHash(k: Kernel, alg: number): number {
  if (load32(k, alg + SHASH.descsize) > MAX_STATE || load32(k, alg + SHASH.digestsize) > MAX_DIGEST) return -EINVAL;
  if (load32(k, alg + SHASH.base + ALG.cra_alignmask) !== 0) return -EINVAL;
  const [exports, imports] = [load64(k, alg + SHASH.export), load64(k, alg + SHASH.import)];
  if ((exports === 0) !== (imports === 0)) return -EINVAL;
  if (exports === 0) store32(k, alg + SHASH.statesize, load32(k, alg + SHASH.descsize));
  return 0;
}
function prepareSkcipher(k: Kernel, alg: number): number {
  const blocksize = load32(k, alg + SKCIPHER.base + ALG.cra_blocksize);
  if (load32(k, alg + SKCIPHER.chunksize) === 0) store32(k, alg + SKCIPHER.chunksize, blocksize);
  if (load32(k, alg + SKCIPHER.walksize) === 0) store32(k, alg + SKCIPHER.walksize, load32(k, alg + SKCIPHER.chunksize));
  return 0;
}
const KINDS: Readonly<Record<string, Kind>> = {
  alg: { type: null, sizeof: ALG.sizeof, base: 0 },
  shash: { type: TYPE_SHASH, sizeof: SHASH.sizeof, base: SHASH.base, prepare: prepareHash },
  skcipher: { type: TYPE_SKCIPHER, sizeof: SKCIPHER.sizeof, base: SKCIPHER.base, prepare: prepareSkcipher },
  aead: { type: TYPE_AEAD, sizeof: AEAD.sizeof, base: AEAD.base },
  rng: { type: TYPE_RNG, sizeof: RNG.sizeof, base: RNG.base },
  scomp: { type: TYPE_SCOMPRESS, sizeof: SCOMP.sizeof, base: SCOMP.base },
  kpp: { type: TYPE_KPP, sizeof: KPP.sizeof, base: KPP.base },
  akcipher: { type: TYPE_AKCIPHER, sizeof: AKCIPHER.sizeof, base: AKCIPHER.base },
};
function registerOne(k: Kernel, kind: Kind, at: number): number {
  const r = kind.prepare?.(k, at) ?? 0;
  return r < 0 ? r : registerAlgorithm(k, at + kind.base, kind.type);
}
/** All of an array, or none. */
function registerMany(k: Kernel, kind: Kind, first: number, n: number): number {
  for (let i = 0; i < Math.min(n | 0, MAX_ALGORITHMS); i++) {
    const r = registerOne(k, kind, first + i * kind.sizeof);
    if (r === 0) continue;
    while (--i >= 0) unregisterAlgorithm(k, first + i * kind.sizeof + kind.base);
    return r;
  }
  return 0;
}
function unregisterMany(k: Kernel, kind: Kind, first: number, n: number): void {
  for (let i = Math.min(n | 0, MAX_ALGORITHMS) - 1; i >= 0; i--) unregisterAlgorithm(k, first + i * kind.sizeof + kind.base);
}
/** Kinds without a function for arrays. */
const SINGLE = new Set(['kpp', 'akcipher']);
const registering = Object.entries(KINDS).flatMap(([name, kind]): FunctionExport[] => {
  const used = name === 'shash' || name === 'alg';
  const row = (symbol: string, call: FunctionExport['call']) => (used ? fn(symbol, call) : partial(symbol, SHOWN, call));
  const one = [
    row(`crypto_register_${name}`, (k, at) => registerOne(k, kind, at)),
    row(`crypto_unregister_${name}`, (k, at) => {
      unregisterAlgorithm(k, at + kind.base);
      return undefined;
    }),
  ];
  if (SINGLE.has(name)) return one;
  const many = name === 'shash' ? 'shashes' : `${name}s`;
  return [
    ...one,
    row(`crypto_register_${many}`, (k, first, n) => registerMany(k, kind, first, n)),
    row(`crypto_unregister_${many}`, (k, first, n) => {
      unregisterMany(k, kind, first, n);
      return undefined;
    }),
  ];
});

export const cryptoExports: readonly FunctionExport[] = [
  ...registering,
  ...tfmExports,
  // 0 when equal; Linux's takes the same time wherever they differ, which nobody can see here.
  fn('__crypto_memneq', (k, a, b, n) => {
    const [x, y] = [loadBytes(k, a, size(n)), loadBytes(k, b, size(n))];
    return x.some((v, i) => v !== y[i]) ? 1 : 0;
  }),
  fn('__crypto_xor', (k, to, a, b, n) => {
    const [x, y] = [loadBytes(k, a, n >>> 0), loadBytes(k, b, n >>> 0)];
    storeBytes(
      k,
      to,
      x.map((v, i) => v ^ y[i]),
    );
  }),
  // A counter, highest byte first.
  fn('crypto_inc', (k, at, n) => {
    const bytes = loadBytes(k, at, n >>> 0);
    let i = bytes.length;
    do i--;
    while (i >= 0 && ++bytes[i] === 0);
    storeBytes(k, at, bytes);
  }),
];
export const cryptoDataExports: readonly DataExport[] = [
  {
    name: 'crypto_alg_list',
    internal: true,
    place: imageListHead,
  },
];
