import {
  aead_alg as AEAD,
  cipher_alg as CIPHER,
  crypto_alg as ALG,
  rng_alg as RNG,
  shash_alg as SHASH,
  skcipher_alg as SKCIPHER,
} from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { load32 } from '../lib/guest_memory.ts';
import * as API from './api.ts';

// /proc/crypto (crypto/proc.c): what is registered, the latest first.

type Row = readonly [label: string, value: string | number];

/** What each kind shows of itself. */
function own(k: Kernel, alg: number): readonly Row[] {
  const async: Row = ['async', (API.flagsOf(k, alg) & API.CRYPTO_ALG_ASYNC) !== 0 ? 'yes' : 'no'];
  const block: Row = ['blocksize', load32(k, alg + ALG.cra_blocksize)];
  switch (API.typeOf(k, alg)) {
    case API.TYPE_SHASH:
      return [['type', 'shash'], block, ['digestsize', load32(k, alg - SHASH.base + SHASH.digestsize)]];
    case API.TYPE_CIPHER: {
      const cipher = alg + ALG.cra_u;
      return [
        ['type', 'cipher'],
        block,
        ['min keysize', load32(k, cipher + CIPHER.cia_min_keysize)],
        ['max keysize', load32(k, cipher + CIPHER.cia_max_keysize)],
      ];
    }
    case API.TYPE_COMPRESS:
      return [['type', 'compression']];
    case API.TYPE_SCOMPRESS:
      return [['type', 'scomp']];
    case API.TYPE_KPP:
      return [['type', 'kpp']];
    case API.TYPE_AKCIPHER:
      return [['type', 'akcipher']];
    case API.TYPE_RNG:
      return [
        ['type', 'rng'],
        ['seedsize', load32(k, alg - RNG.base + RNG.seedsize)],
      ];
    case API.TYPE_AEAD: {
      const aead = alg - AEAD.base;
      return [
        ['type', 'aead'],
        async,
        block,
        ['ivsize', load32(k, aead + AEAD.ivsize)],
        ['maxauthsize', load32(k, aead + AEAD.maxauthsize)],
        ['geniv', '<none>'],
      ];
    }
    case API.TYPE_SKCIPHER: {
      const c = alg - SKCIPHER.base;
      return [
        ['type', 'skcipher'],
        async,
        block,
        ['min keysize', load32(k, c + SKCIPHER.min_keysize)],
        ['max keysize', load32(k, c + SKCIPHER.max_keysize)],
        ['ivsize', load32(k, c + SKCIPHER.ivsize)],
        ['chunksize', load32(k, c + SKCIPHER.chunksize)],
        ['walksize', load32(k, c + SKCIPHER.walksize)],
        ['statesize', load32(k, c + SKCIPHER.statesize)],
      ];
    }
    default:
      return [['type', 'unknown']];
  }
}
export function cryptoText(k: Kernel): string {
  let out = '';
  for (const alg of API.allAlgorithms(k)) {
    const rows: readonly Row[] = [
      ['name', API.nameOf(k, alg)],
      ['driver', API.driverOf(k, alg)],
      ['module', API.moduleOf(k, alg)?.name ?? 'kernel'],
      ['priority', load32(k, alg + ALG.cra_priority)],
      ['refcnt', API.refsOf(k, alg)],
      ['selftest', (API.flagsOf(k, alg) & API.CRYPTO_ALG_TESTED) !== 0 ? 'passed' : 'unknown'],
      ['internal', (API.flagsOf(k, alg) & API.CRYPTO_ALG_INTERNAL) !== 0 ? 'yes' : 'no'],
      ...own(k, alg),
    ];
    out += `${rows.map(([label, value]) => `${label.padEnd(12)} : ${value}\n`).join('')}\n`;
  }
  return out;
}
export function cryptoProcInit(k: Kernel): void {
  k.procfs.create('crypto', cryptoText);
}
