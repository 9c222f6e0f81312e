import { kmem_cache as CACHE } from '../../abi/layout/structs.ts';
import { GFP_ZERO } from '../../abi/gfp.ts';
import { SLAB_ACCOUNT, SLAB_TYPESAFE_BY_RCU } from '../../abi/slab.ts';
import { PAGE_SIZE, physToVirt } from './address.ts';
import { type KmemCache, type Slab, SlabPlace } from './slab_cache.ts';
import type { Slub } from './slub.ts';

// The slab that a CPU takes objects from, lent to the kernel's machine code (slub_fast.ts). Linux's CPUs have the free list of that slab for themselves
// (struct kmem_cache_cpu) and touch nothing else in the ordinary case. While a slab is lent, which of its objects are free stands in guest memory; it comes
// back before anything but an allocation or a free of one object looks, and is checked then: a stray store of a module may have gone there.

/** What kmem_cache.cpu_slab points to, for each CPU. Behind the head a word for each object: place number i of the free list (u16), and whether object i is in use (u8). */
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
  list: 48,
  used: 50,
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
/** Physical address of the CPU's struct. */
function structOf(s: Slub, cache: KmemCache, cpu: number): number {
  return s.k.percpu.instance(cache.cpuSlab, cpu);
}
/** Lends the slab of this CPU, after a call that the machine code could not do. */
export function lend(s: Slub, cache: KmemCache): void {
  const { k, ram } = s;
  const { slab } = cache.cpus[k.cpu];
  if (slab === null || slab.lentTo >= 0 || !isPlain(s, cache)) return;
  if (cache.cpuSlab === 0) {
    // Numbers of objects that a pointer into the rest behind the last one gives, too.
    const objects = Math.ceil((PAGE_SIZE << cache.order) / cache.size);
    cache.cpuSlab = k.percpu.alloc(CPU_SLAB.list + objects * CPU_SLAB.stride, WORD);
    if (cache.cpuSlab === 0) return;
    ram.write64(cache.addr + CACHE.cpu_slab, cache.cpuSlab);
  }
  const at = structOf(s, cache, k.cpu);
  ram.write64(at + CPU_SLAB.slab, s.pages.pageStructVa(slab.pa));
  ram.write64(at + CPU_SLAB.base, physToVirt(slab.pa));
  ram.write32(at + CPU_SLAB.count, slab.freeCount);
  ram.write32(at + CPU_SLAB.size, cache.size);
  ram.write32(at + CPU_SLAB.reciprocal, Math.ceil(2 ** 32 / cache.size));
  ram.write32(at + CPU_SLAB.clear, Math.ceil(cache.objectSize / WORD) * WORD);
  ram.write32(at + CPU_SLAB.always, s.initOnAlloc ? GFP_ZERO : 0);
  ram.write32(at + CPU_SLAB.link, cache.offset);
  s.writeKey(at + CPU_SLAB.key);
  for (let i = 0; i < cache.perSlab; i++) {
    ram.u16[(at + CPU_SLAB.list + i * CPU_SLAB.stride) >> 1] = slab.free[i];
    ram.u8[at + CPU_SLAB.used + i * CPU_SLAB.stride] = slab.used[i];
  }
  slab.lentTo = k.cpu;
}
/** Takes a CPU's slab back. */
export function recall(s: Slub, cache: KmemCache, cpu: number): void {
  const { ram } = s;
  const c = cache.cpus[cpu];
  const { slab } = c;
  if (slab === null || slab.lentTo < 0) return;
  const at = structOf(s, cache, cpu);
  const count = ram.read32(at + CPU_SLAB.count);
  const before = slab.freeCount;
  ram.write64(at + CPU_SLAB.slab, 0);
  ram.write32(at + CPU_SLAB.count, 0);
  slab.lentTo = -1;
  slab.used.fill(1);
  let good = count <= cache.perSlab;
  for (let i = 0; i < count && good; i++) {
    const index = ram.u16[(at + CPU_SLAB.list + i * CPU_SLAB.stride) >> 1];
    good = index < cache.perSlab && slab.used[index] === 1;
    slab.free[i] = index;
    slab.used[index] = 0;
  }
  slab.freeCount = good ? count : 0;
  cache.activeObjects += before - slab.freeCount;
  if (good) return;
  // What is free is not known any more: nobody gets anything of it.
  slab.used.fill(1);
  slab.place = SlabPlace.DISABLED;
  c.slab = null;
  s.k.mm.slab.onComplaint(cache, slab.pa, 'Freelist corrupt');
}
export function recallAll(s: Slub, cache: KmemCache): void {
  for (let cpu = 0; cpu < cache.cpus.length; cpu++) recall(s, cache, cpu);
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
  const { cache } = slab;
  const at = structOf(s, cache, slab.lentTo);
  const count = ram.read32(at + CPU_SLAB.count);
  if (count > 0 && count <= cache.perSlab) {
    const index = ram.u16[(at + CPU_SLAB.list + (count - 1) * CPU_SLAB.stride) >> 1];
    const used = at + CPU_SLAB.used + index * CPU_SLAB.stride;
    if (index < cache.perSlab && ram.u8[used] === 0) {
      ram.write32(at + CPU_SLAB.count, count - 1);
      ram.u8[used] = 1;
      return index;
    }
  }
  recall(s, cache, slab.lentTo);
  return -1;
}
/** Puts one back. False: something is wrong, and the slab has come back. */
export function putLent(s: Slub, slab: Slab, index: number, pa: number): boolean {
  const { ram } = s;
  const { cache } = slab;
  const at = structOf(s, cache, slab.lentTo);
  const count = ram.read32(at + CPU_SLAB.count);
  const used = at + CPU_SLAB.used + index * CPU_SLAB.stride;
  const below = count === 0 ? 0 : ram.u16[(at + CPU_SLAB.list + (count - 1) * CPU_SLAB.stride) >> 1];
  if (count >= cache.perSlab || ram.u8[used] !== 1 || below >= cache.perSlab) {
    recall(s, cache, slab.lentTo);
    return false;
  }
  s.writeLink(cache, pa, count === 0 ? 0 : cache.objectPa(slab, below));
  ram.u16[(at + CPU_SLAB.list + count * CPU_SLAB.stride) >> 1] = index;
  ram.write32(at + CPU_SLAB.count, count + 1);
  ram.u8[used] = 0;
  return true;
}
/** Whether an object is in use, wherever that stands. */
export function isUsed(s: Slub, slab: Slab, index: number): boolean {
  if (slab.lentTo < 0) return slab.used[index] === 1;
  return s.ram.u8[structOf(s, slab.cache, slab.lentTo) + CPU_SLAB.used + index * CPU_SLAB.stride] !== 0;
}
