import { EINVAL, ENOKEY, ENOSYS } from '../../abi/errno.ts';
import {
  cipher_alg as CIPHER,
  crypto_alg as ALG,
  crypto_shash as HASH,
  crypto_tfm as TFM,
  shash_alg as SHASH,
  shash_desc as DESC,
} from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { text } from '../lib/access.ts';
import { load32, load64, loadBytes, store32, store64, storeBytes } from '../lib/guest_memory.ts';
import { kfree } from '../mm/slab_exports.ts';
import { stackBlock } from '../module/call.ts';
import { type FunctionExport, fn, partial } from '../module/export.ts';
import { runSteps, type Step, stepAction } from '../module/steps.ts';
import { BLOCKED } from '../sched/wait.ts';
import { CRYPTO_ALG_TYPE_MASK, CRYPTO_MAX_ALG_NAME, findAlgorithm, makeTfm, putAlgorithm, typeOf, TYPE_CIPHER, TYPE_SHASH } from './api.ts';

// Objects of modules that hash or encrypt single blocks with what another module registered (crypto/shash.c, crypto/cipher.c).

const CRYPTO_TFM_NEED_KEY = 1;
const CRYPTO_ALG_OPTIONAL_KEY = 0x4000;
/** HASH_MAX_DESCSIZE: a descriptor and the largest state of a hash. */
const MAX_DESC = 8 + 360;
const isError = (addr: number) => addr < 0 && addr >= -4095;

const algOf = (k: Kernel, tfm: number) => load64(k, tfm + TFM.__crt_alg);
/** struct shash_alg around its base. */
const hashAlg = (k: Kernel, hash: number) => algOf(k, hash + HASH.base) - SHASH.base;
const hashFn = (k: Kernel, hash: number, at: number) => load64(k, hashAlg(k, hash) + at);
const hashOf = (k: Kernel, desc: number) => load64(k, desc + DESC.tfm);
const needsKey = (k: Kernel, hash: number) => (load32(k, hash + HASH.base + TFM.crt_flags) & CRYPTO_TFM_NEED_KEY) !== 0;
function setNeedKey(k: Kernel, hash: number, on: boolean): void {
  const at = hash + HASH.base + TFM.crt_flags;
  store32(k, at, on ? load32(k, at) | CRYPTO_TFM_NEED_KEY : load32(k, at) & ~CRYPTO_TFM_NEED_KEY);
}
const hasKeyToSet = (k: Kernel, hash: number) =>
  hashFn(k, hash, SHASH.setkey) !== 0 && (load32(k, algOf(k, hash + HASH.base) + ALG.cra_flags) & CRYPTO_ALG_OPTIONAL_KEY) === 0;

/** Makes an object and lets the algorithm set it up; the whole operation's result is the object, or what the set-up returned. */
function make(k: Kernel, alg: number, front: number, init: number): readonly Step[] | number {
  const mem = makeTfm(k, alg, front);
  if (isError(mem)) {
    putAlgorithm(k, alg);
    return mem;
  }
  if (front > 0) {
    store32(k, mem + HASH.descsize, load32(k, alg - SHASH.base + SHASH.descsize));
    setNeedKey(k, mem, hasKeyToSet(k, mem));
  }
  return [
    { call: init, args: [init === load64(k, alg + ALG.cra_init) ? mem + front : mem] },
    { act: 'cryptoMade', data: { mem, alg } },
  ];
}
stepAction('cryptoMade', (k, data, state) => {
  const [mem, alg] = [data['mem'] as number, data['alg'] as number];
  if (state.result === 0) state.value = mem;
  else {
    kfree(k, mem);
    putAlgorithm(k, alg);
    state.value = state.result;
  }
});
/** crypto_alloc_shash, crypto_alloc_base: find (asking for a module), make, set up. */
function allocate(k: Kernel, name: number, type: number, mask: number): number {
  const task = k.current;
  let alg = task.restart?.['alg'] as number | undefined;
  if (alg === undefined) {
    alg = findAlgorithm(k, text(k, name, CRYPTO_MAX_ALG_NAME), type, mask);
    if (alg === BLOCKED || isError(alg)) return alg;
    task.restart = { alg };
  }
  const found = alg;
  const hash = typeOf(k, found) === TYPE_SHASH;
  const own = hash ? load64(k, found - SHASH.base + SHASH.init_tfm) : 0;
  return runSteps(k, () => make(k, found, hash ? HASH.base : 0, own !== 0 ? own : load64(k, found + ALG.cra_init)));
}
/** crypto_destroy_tfm(mem, tfm). */
function destroy(k: Kernel, mem: number, tfm: number): number {
  if (mem === 0 || isError(mem)) return 0;
  return runSteps(k, () => {
    const refs = load32(k, tfm + TFM.refcnt) - 1;
    store32(k, tfm + TFM.refcnt, refs);
    if (refs !== 0) return 0;
    const alg = algOf(k, tfm);
    const own = typeOf(k, alg) === TYPE_SHASH ? load64(k, alg - SHASH.base + SHASH.exit_tfm) : 0;
    return [
      own !== 0 ? { call: own, args: [mem] } : { call: load64(k, alg + ALG.cra_exit), args: [tfm] },
      { act: 'cryptoGone', data: { mem, alg } },
    ];
  });
}
stepAction('cryptoGone', (k, data) => {
  kfree(k, data['mem'] as number);
  putAlgorithm(k, data['alg'] as number);
});

/** Each step only after the one before it went well. */
function chain(calls: readonly { readonly call: number; readonly args: readonly number[] }[], stack = 0): Step[] {
  return calls.flatMap((c): Step[] => [c, { act: 'cryptoStop', data: { stack } }]);
}
stepAction('cryptoStop', (k, data, state) => {
  state.value = state.result;
  // What lies on the stack stays for the next call.
  if ((data['stack'] as number) > 0) stackBlock(k, data['stack'] as number);
  if (state.result !== 0) state.steps.length = 0;
});
/** crypto_shash_finup: the algorithm's, or update and final. */
function finup(k: Kernel, desc: number, data: number, length: number, out: number) {
  const hash = hashOf(k, desc);
  const own = hashFn(k, hash, SHASH.finup);
  if (own !== 0) return [{ call: own, args: [desc, data, length, out] }];
  return [
    { call: hashFn(k, hash, SHASH.update), args: [desc, data, length] },
    { call: hashFn(k, hash, SHASH.final), args: [desc, out] },
  ];
}
function digest(k: Kernel, desc: number, data: number, length: number, out: number) {
  const hash = hashOf(k, desc);
  const own = hashFn(k, hash, SHASH.digest);
  if (own !== 0) return [{ call: own, args: [desc, data, length, out] }];
  return [{ call: hashFn(k, hash, SHASH.init), args: [desc] }, ...finup(k, desc, data, length, out)];
}
/** One block through the cipher. */
function crypt(at: number) {
  return (k: Kernel, tfm: number, to: number, from: number): number =>
    runSteps(k, () => [{ call: load64(k, algOf(k, tfm) + ALG.cra_u + at), args: [tfm, to, from] }]);
}

const NO_TEMPLATES = 'algorithms that modules registered, no templates such as hmac(...)';
export const tfmExports: readonly FunctionExport[] = [
  partial('crypto_alloc_shash', NO_TEMPLATES, (k, name, _type, mask) => allocate(k, name, TYPE_SHASH, (mask & ~CRYPTO_ALG_TYPE_MASK) | CRYPTO_ALG_TYPE_MASK)),
  partial('crypto_alloc_base', NO_TEMPLATES, (k, name, type, mask) => allocate(k, name, type, mask)),
  fn('crypto_destroy_tfm', destroy),
  partial('crypto_has_alg', NO_TEMPLATES, (k, name, type, mask) => {
    const alg = findAlgorithm(k, text(k, name, CRYPTO_MAX_ALG_NAME), type, mask);
    if (alg === BLOCKED) return BLOCKED;
    if (isError(alg)) return 0;
    putAlgorithm(k, alg);
    return 1;
  }),
  partial('crypto_has_shash', NO_TEMPLATES, (k, name) => {
    const alg = findAlgorithm(k, text(k, name, CRYPTO_MAX_ALG_NAME), TYPE_SHASH, CRYPTO_ALG_TYPE_MASK);
    if (alg === BLOCKED) return BLOCKED;
    if (isError(alg)) return 0;
    putAlgorithm(k, alg);
    return 1;
  }),
  fn('crypto_shash_setkey', (k, hash, key, length) => {
    const setkey = hashFn(k, hash, SHASH.setkey);
    if (setkey === 0) return -ENOSYS;
    return runSteps(k, () => [
      { call: setkey, args: [hash, key, length] },
      { act: 'cryptoKeySet', data: { hash } },
    ]);
  }),
  fn('crypto_shash_update', (k, desc, data, length) =>
    runSteps(k, () => chain([{ call: hashFn(k, hashOf(k, desc), SHASH.update), args: [desc, data, length] }])),
  ),
  fn('crypto_shash_final', (k, desc, out) => runSteps(k, () => chain([{ call: hashFn(k, hashOf(k, desc), SHASH.final), args: [desc, out] }]))),
  fn('crypto_shash_finup', (k, desc, data, length, out) => runSteps(k, () => chain(finup(k, desc, data, length, out)))),
  fn('crypto_shash_digest', (k, desc, data, length, out) =>
    runSteps(k, () => (needsKey(k, hashOf(k, desc)) ? -ENOKEY : chain(digest(k, desc, data, length, out)))),
  ),
  fn('crypto_shash_tfm_digest', (k, hash, data, length, out) => {
    if (needsKey(k, hash)) return -ENOKEY;
    // Below it in the stack lies what the functions are called with.
    const desc = stackBlock(k, MAX_DESC);
    if (k.current.restart === null) store64(k, desc + DESC.tfm, hash);
    return runSteps(k, () => chain(digest(k, desc, data, length, out), MAX_DESC));
  }),
  fn('crypto_shash_export', (k, desc, out) => {
    const own = hashFn(k, hashOf(k, desc), SHASH.export);
    if (own !== 0) return runSteps(k, () => chain([{ call: own, args: [desc, out] }]));
    storeBytes(k, out, loadBytes(k, desc + DESC.__ctx, load32(k, hashOf(k, desc) + HASH.descsize)));
    return 0;
  }),
  fn('crypto_shash_import', (k, desc, from) => {
    if (needsKey(k, hashOf(k, desc))) return -ENOKEY;
    const own = hashFn(k, hashOf(k, desc), SHASH.import);
    if (own !== 0) return runSteps(k, () => chain([{ call: own, args: [desc, from] }]));
    storeBytes(k, desc + DESC.__ctx, loadBytes(k, from, load32(k, hashOf(k, desc) + HASH.descsize)));
    return 0;
  }),
  fn('crypto_cipher_setkey', (k, tfm, key, length) => {
    const alg = algOf(k, tfm);
    if (typeOf(k, alg) !== TYPE_CIPHER) return -EINVAL;
    const n = length >>> 0;
    if (n < load32(k, alg + ALG.cra_u + CIPHER.cia_min_keysize) || n > load32(k, alg + ALG.cra_u + CIPHER.cia_max_keysize)) return -EINVAL;
    return runSteps(k, () => chain([{ call: load64(k, alg + ALG.cra_u + CIPHER.cia_setkey), args: [tfm, key, length] }]));
  }),
  fn('crypto_cipher_encrypt_one', crypt(CIPHER.cia_encrypt)),
  fn('crypto_cipher_decrypt_one', crypt(CIPHER.cia_decrypt)),
  fn('shash_no_setkey', () => -ENOSYS),
];
stepAction('cryptoKeySet', (k, data, state) => {
  const hash = data['hash'] as number;
  setNeedKey(k, hash, state.result !== 0 && hasKeyToSet(k, hash));
  state.value = state.result;
});
