import { EAGAIN, EEXIST, EINVAL, ENOENT, ENOMEM } from '../../abi/errno.ts';
import { GFP_KERNEL, GFP_ZERO } from '../../abi/gfp.ts';
import { crypto_alg as ALG, crypto_tfm as TFM } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { text } from '../lib/access.ts';
import { load32, load64, store32, store64 } from '../lib/guest_memory.ts';
import { listAdd, listDel, listNodes } from '../lib/list.ts';
import { kmalloc } from '../mm/slab_exports.ts';
import { requestModule } from '../module/kmod.ts';
import { modulePut, tryModuleGet } from '../module/module.ts';
import { symbolAddress } from '../module/stubs.ts';
import { BLOCKED } from '../sched/wait.ts';
import { warnInExport } from '../traps.ts';
import { isTested } from './testmgr.ts';

// Algorithms that modules register (crypto/algapi.c), and objects that use one (crypto/api.c): a struct crypto_tfm with the algorithm's own context behind it.

export const CRYPTO_ALG_TYPE_MASK = 0xf;
export const TYPE_CIPHER = 1;
export const TYPE_COMPRESS = 2;
export const TYPE_AEAD = 3;
export const TYPE_LSKCIPHER = 4;
export const TYPE_SKCIPHER = 5;
export const TYPE_AKCIPHER = 6;
export const TYPE_KPP = 8;
export const TYPE_SCOMPRESS = 0xb;
export const TYPE_RNG = 0xc;
export const TYPE_SHASH = 0xe;
const CRYPTO_ALG_DEAD = 0x20;
export const CRYPTO_ALG_ASYNC = 0x80;
export const CRYPTO_ALG_TESTED = 0x400;
export const CRYPTO_ALG_INTERNAL = 0x2000;
const MAX_ALIGNMASK = 63;
export const CRYPTO_MAX_ALG_NAME = 128;
const MAX_BLOCKSIZE = 4096 / 8;

export const nameOf = (k: Kernel, alg: number) => text(k, alg + ALG.cra_name, CRYPTO_MAX_ALG_NAME);
export const driverOf = (k: Kernel, alg: number) => text(k, alg + ALG.cra_driver_name, CRYPTO_MAX_ALG_NAME);
export const flagsOf = (k: Kernel, alg: number) => load32(k, alg + ALG.cra_flags);
export const typeOf = (k: Kernel, alg: number) => flagsOf(k, alg) & CRYPTO_ALG_TYPE_MASK;
export const refsOf = (k: Kernel, alg: number) => load32(k, alg + ALG.cra_refcnt) | 0;
export const moduleOf = (k: Kernel, alg: number) => k.modules.byAddr.get(load64(k, alg + ALG.cra_module)) ?? null;
/** Registered last, listed first. */
export function allAlgorithms(k: Kernel): number[] {
  return listNodes(k, symbolAddress(k, 'crypto_alg_list')).map((node) => node - ALG.cra_list);
}

/** crypto_register_alg, with the type that the caller's kind of algorithm has (null: what the flags say). */
export function registerAlgorithm(k: Kernel, alg: number, type: number | null): number {
  const mask = load32(k, alg + ALG.cra_alignmask);
  const [name, driver] = [nameOf(k, alg), driverOf(k, alg)];
  if (name === '' || driver === '' || (mask & (mask + 1)) !== 0 || mask > MAX_ALIGNMASK) return -EINVAL;
  if ((load32(k, alg + ALG.cra_priority) | 0) < 0 || load32(k, alg + ALG.cra_blocksize) > MAX_BLOCKSIZE) return -EINVAL;
  for (const other of allAlgorithms(k)) {
    if (other === alg || [driverOf(k, other), nameOf(k, other)].includes(driver) || driverOf(k, other) === name) return -EEXIST;
  }
  const flags = flagsOf(k, alg) & ~CRYPTO_ALG_DEAD;
  store32(k, alg + ALG.cra_flags, (type === null ? flags : (flags & ~CRYPTO_ALG_TYPE_MASK) | type) | CRYPTO_ALG_TESTED);
  store32(k, alg + ALG.cra_refcnt, 1);
  for (const at of [0, 8]) store64(k, alg + ALG.cra_users + at, 0);
  listAdd(k, alg + ALG.cra_list, symbolAddress(k, 'crypto_alg_list'));
  if (!isTested(name, driver, typeOf(k, alg) === TYPE_CIPHER)) k.printk.log(6, `alg: No test for ${name} (${driver})`);
  return 0;
}
export function unregisterAlgorithm(k: Kernel, alg: number): void {
  if (!allAlgorithms(k).includes(alg)) {
    warnInExport(k, `Algorithm ${driverOf(k, alg)} is not registered`);
    return;
  }
  store32(k, alg + ALG.cra_flags, flagsOf(k, alg) | CRYPTO_ALG_DEAD);
  listDel(k, alg + ALG.cra_list);
  store32(k, alg + ALG.cra_refcnt, refsOf(k, alg) - 1);
}

/** The one of that driver's name, or of the highest priority with that name. */
function lookup(k: Kernel, name: string, type: number, mask: number): number {
  let [best, priority] = [0, -1];
  for (const alg of allAlgorithms(k)) {
    if (((flagsOf(k, alg) ^ type) & mask) !== 0) continue;
    if (driverOf(k, alg) === name) return alg;
    const p = load32(k, alg + ALG.cra_priority);
    if (nameOf(k, alg) === name && p > priority) [best, priority] = [alg, p];
  }
  return best;
}
/** crypto_alg_mod_lookup: after its module was asked for where it is not there; held. Address, -errno or BLOCKED. */
export function findAlgorithm(k: Kernel, name: string, type: number, mask: number): number {
  let alg = k.current.restart === null ? lookup(k, name, type, mask) : 0;
  if (alg === 0) {
    if (requestModule(k, `crypto-${name}`) === BLOCKED) return BLOCKED;
    alg = lookup(k, name, type, mask);
  }
  if (alg === 0) return -ENOENT;
  const owner = moduleOf(k, alg);
  if (owner !== null && !tryModuleGet(owner)) return -EAGAIN;
  store32(k, alg + ALG.cra_refcnt, refsOf(k, alg) + 1);
  return alg;
}
export function putAlgorithm(k: Kernel, alg: number): void {
  store32(k, alg + ALG.cra_refcnt, refsOf(k, alg) - 1);
  const owner = moduleOf(k, alg);
  if (owner !== null) modulePut(owner);
}
/** Memory for an object: `front` bytes, the crypto_tfm, the algorithm's context. Address of the whole, or -ENOMEM. */
export function makeTfm(k: Kernel, alg: number, front: number): number {
  const mem = kmalloc(k, front + TFM.sizeof + load32(k, alg + ALG.cra_ctxsize) + load32(k, alg + ALG.cra_alignmask), GFP_KERNEL | GFP_ZERO);
  if (mem === 0) return -ENOMEM;
  const tfm = mem + front;
  store32(k, tfm + TFM.refcnt, 1);
  store32(k, tfm + TFM.node, -1);
  store64(k, tfm + TFM.__crt_alg, alg);
  return mem;
}
