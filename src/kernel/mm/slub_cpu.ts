import { kmem_cache as CACHE } from '../../abi/layout/structs.ts';
import { GFP_ZERO } from '../../abi/gfp.ts';
import { SLAB_ACCOUNT, SLAB_TYPESAFE_BY_RCU } from '../../abi/slab.ts';
import { PAGE_SIZE, physToVirt } from './address.ts';
import { type KmemCache, type Slab, SlabPlace } from './slab_cache.ts';
import type { Slub } from './slub.ts';

// Slabs lent to the kernel's machine code (slub_fast.ts): the one that a CPU takes objects from, and one more that it gives objects back to. Linux's CPUs have the
// free list of their slab for themselves (struct kmem_cache_cpu) and touch nothing else in the ordinary case. While a slab is lent, which of its objects are free
// stands in guest memory; it comes back before anything but an allocation or a free of one object looks, and is checked then: a stray store of a module may have
// gone there.

/**
 * What kmem_cache.cpu_slab points to, for each CPU: a struct for the slab that objects are taken from, behind it one for the other. Behind the head a word for each
 * object: place number i of the free list (u16), and whether object i is in use (u8).
 */
export const CPU_SLAB = {
  /** Guest address of the struct page that stands for the slab; 0 = none is lent. */
  slab: 0,
  /** Guest address of the first object. */
  base: 8,
  /** u32: free objects; the distance between objects; 2^32 divided by it, rounded up. */
  count: 16,
  size: 20,
  reciprocal: 24,
  /** u32: bytes to clear; GFP_ZERO when that is for every allocation (init_on_alloc); where in a free object the link lies. */
  clear: 28,
  always: 32,
  link: 36,
  /** What links are scrambled with. */
  key: 40,
  /** u32: with so many free ones nothing can be given back here; size of the struct. */
  limit: 48,
  next: 52,
  list: 56,
  used: 58,
  /** Of the word of an object. */
  stride: 4,
} as const;
/** With more objects in a slab the lists would be too long for per-CPU memory. */
const MAX_OBJECTS = 512;
const WORD = 8;

/** Whether the objects of a cache are handed out without any more ado than clearing them. */
function isPlain(s: Slub, cache: KmemCache): boolean {
  return (
    cache.shared &&
    !cache.debug &&
    cache.ctor === 0 &&
    (cache.flags & (SLAB_TYPESAFE_BY_RCU | SLAB_ACCOUNT)) === 0 &&
    cache.perSlab <= MAX_OBJECTS &&
    s.k.mm.check === null
  );
}
/** Copying the list of a slab with more objects does not pay for one free. */
const FEW_OBJECTS = 16;

/** Makes the per-CPU structs of a cache. False: there is no memory for them. */
function hasStructs(s: Slub, cache: KmemCache): boolean {
  if (cache.cpuSlab !== 0) return true;
  cache.cpuSlab = s.k.percpu.alloc(2 * structSize(cache), WORD);
  if (cache.cpuSlab !== 0) s.ram.write64(cache.addr + CACHE.cpu_slab, cache.cpuSlab);
  return cache.cpuSlab !== 0;
}
/** With room for the numbers that a pointer into the rest behind the last object gives. */
function structSize(cache: KmemCache): number {
  return CPU_SLAB.list + Math.ceil((PAGE_SIZE << cache.order) / cache.size) * CPU_SLAB.stride;
}
const listAt = (lent: number, i: number) => (lent + CPU_SLAB.list + i * CPU_SLAB.stride) >> 1;
const usedAt = (lent: number, i: number) => lent + CPU_SLAB.used + i * CPU_SLAB.stride;

function fillStruct(s: Slub, slab: Slab, at: number, limit: number): void {
  const { ram } = s;
  const { cache } = slab;
  ram.write64(at + CPU_SLAB.slab, s.pages.pageStructVa(slab.pa));
  ram.write64(at + CPU_SLAB.base, physToVirt(slab.pa));
  ram.write32(at + CPU_SLAB.count, slab.freeCount);
  ram.write32(at + CPU_SLAB.size, cache.size);
  ram.write32(at + CPU_SLAB.reciprocal, Math.ceil(2 ** 32 / cache.size));
  ram.write32(at + CPU_SLAB.clear, Math.ceil(cache.objectSize / WORD) * WORD);
  ram.write32(at + CPU_SLAB.always, s.initOnAlloc ? GFP_ZERO : 0);
  ram.write32(at + CPU_SLAB.link, cache.offset);
  ram.write32(at + CPU_SLAB.limit, limit);
  ram.write32(at + CPU_SLAB.next, structSize(cache));
  s.writeKey(at + CPU_SLAB.key);
  for (let i = 0; i < cache.perSlab; i++) {
    ram.u16[listAt(at, i)] = slab.free[i];
    ram.u8[usedAt(at, i)] = slab.used[i];
  }
  slab.lent = at;
}
/** After a call that the machine code could not do: lends the slab of this CPU, and the one that `freed` went to (physical address, 0 = none). */
export function lend(s: Slub, cache: KmemCache, freed = 0): void {
  const { k } = s;
  const c = cache.cpus[k.cpu];
  if (!isPlain(s, cache) || !hasStructs(s, cache)) return;
  const at = k.percpu.instance(cache.cpuSlab, k.cpu);
  if (c.slab !== null && c.slab.lent === 0) fillStruct(s, c.slab, at, cache.perSlab);
  const other = freed === 0 ? null : s.slabAt(freed);
  if (other === null || other.lent !== 0 || other.cache !== cache || other === c.slab) return;
  const again = c.lastFreed === other;
  c.lastFreed = other;
  // The free that makes it empty is not for machine code: the slab may have to go.
  if ((!again && cache.perSlab > FEW_OBJECTS) || other.freeCount === 0 || other.freeCount >= cache.perSlab - 1) return;
  if (c.freed !== null) recallSlab(s, c.freed);
  c.freed = other;
  fillStruct(s, other, at + structSize(cache), cache.perSlab - 1);
}
function recallSlab(s: Slub, slab: Slab): void {
  const { ram } = s;
  const { cache, lent } = slab;
  if (lent === 0) return;
  const count = ram.read32(lent + CPU_SLAB.count);
  const before = slab.freeCount;
  ram.write64(lent + CPU_SLAB.slab, 0);
  ram.write32(lent + CPU_SLAB.count, 0);
  slab.lent = 0;
  slab.used.fill(1);
  let good = count <= cache.perSlab;
  for (let i = 0; i < count && good; i++) {
    const index = ram.u16[listAt(lent, i)];
    good = index < cache.perSlab && slab.used[index] === 1;
    slab.free[i] = index;
    slab.used[index] = 0;
  }
  slab.freeCount = good ? count : 0;
  cache.activeObjects += before - slab.freeCount;
  if (good && (count > 0 || slab.place === SlabPlace.CPU)) return;
  // What is free is not known any more: nobody gets anything of it.
  slab.used.fill(1);
  slab.place = SlabPlace.DISABLED;
  cache.partial.delete(slab);
  for (const c of cache.cpus) {
    if (c.slab === slab) c.slab = null;
    c.partial = c.partial.filter((x) => x !== slab);
  }
  s.k.mm.slab.onComplaint(cache, slab.pa, 'Freelist corrupt');
}
/** Takes the slab back that a CPU takes objects from. */
export function recall(s: Slub, cache: KmemCache, cpu: number): void {
  const { slab } = cache.cpus[cpu];
  if (slab !== null) recallSlab(s, slab);
}
/** Takes those back that objects are given to. */
export function recallFreed(s: Slub, cache: KmemCache): void {
  for (const c of cache.cpus) {
    if (c.freed === null) continue;
    recallSlab(s, c.freed);
    c.freed = null;
  }
}
export function recallAll(s: Slub, cache: KmemCache): void {
  for (let cpu = 0; cpu < cache.cpus.length; cpu++) recall(s, cache, cpu);
  recallFreed(s, cache);
}
/** Gives up the per-CPU memory of a cache that ends. */
export function forgetCpuSlabs(s: Slub, cache: KmemCache): void {
  recallAll(s, cache);
  if (cache.cpuSlab === 0) return;
  s.ram.write64(cache.addr + CACHE.cpu_slab, 0);
  s.k.percpu.free(cache.cpuSlab);
  cache.cpuSlab = 0;
}
/** Takes an object of a lent slab as the machine code does: its number, or -1: there is none, and the slab has come back. */
export function takeLent(s: Slub, slab: Slab): number {
  const { ram } = s;
  const { cache, lent } = slab;
  const count = ram.read32(lent + CPU_SLAB.count);
  if (count > 0 && count <= cache.perSlab) {
    const index = ram.u16[listAt(lent, count - 1)];
    if (index < cache.perSlab && ram.u8[usedAt(lent, index)] === 0) {
      ram.write32(lent + CPU_SLAB.count, count - 1);
      ram.u8[usedAt(lent, index)] = 1;
      return index;
    }
  }
  recallSlab(s, slab);
  return -1;
}
/** Puts one back. False: that is not for machine code, and the slab has come back. */
export function putLent(s: Slub, slab: Slab, index: number, pa: number): boolean {
  const { ram } = s;
  const { cache, lent } = slab;
  const count = ram.read32(lent + CPU_SLAB.count);
  const below = count === 0 ? 0 : ram.u16[listAt(lent, count - 1)];
  const limit = slab.place === SlabPlace.CPU ? cache.perSlab : cache.perSlab - 1;
  if (count >= limit || ram.u8[usedAt(lent, index)] !== 1 || below >= cache.perSlab) {
    recallSlab(s, slab);
    return false;
  }
  s.writeLink(cache, pa, count === 0 ? 0 : cache.objectPa(slab, below));
  ram.u16[listAt(lent, count)] = index;
  ram.write32(lent + CPU_SLAB.count, count + 1);
  ram.u8[usedAt(lent, index)] = 0;
  return true;
}
/** Whether an object is in use, wherever that stands. */
export function isUsed(s: Slub, slab: Slab, index: number): boolean {
  return slab.lent === 0 ? slab.used[index] === 1 : s.ram.u8[usedAt(slab.lent, index)] !== 0;
}
