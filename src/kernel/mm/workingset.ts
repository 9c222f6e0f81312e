import type { Kernel } from '../kernel.ts';
import { LRU_ACTIVE_ANON, LRU_ACTIVE_FILE, LRU_INACTIVE_ANON } from './lru.ts';
import { PG_REFERENCED, pageFlags, setPageFlags } from './page.ts';

// Was a page that comes back missed? It was if fewer pages went in the meantime than are in use now (mm/workingset.c).

/** mark_page_accessed: the second use of a page on the inactive list makes it active. */
export function markAccessed(k: Kernel, pa: number): void {
  const at = k.mm.pages.pageStruct(pa);
  if ((pageFlags(k.ram, at) & PG_REFERENCED) === 0) {
    setPageFlags(k.ram, at, PG_REFERENCED);
    return;
  }
  if (!k.mm.lru.activate(pa)) return;
  setPageFlags(k.ram, at, 0, PG_REFERENCED);
  k.mm.stat.pgactivate++;
  k.mm.lru.vecOf(pa).age++;
}
/** A page goes: what its place remembers (workingset_eviction). */
export function workingsetEviction(k: Kernel, pa: number): number {
  return k.mm.lru.vecOf(pa).age++;
}
/** A page that went at `gone` is here again: is it one of those in use? (workingset_refault) */
export function workingsetRefault(k: Kernel, pa: number, gone: number, file: boolean): boolean {
  const { stat, lru } = k.mm;
  const vec = lru.vecOf(pa);
  if (file) stat.refaultFile++;
  else stat.refaultAnon++;
  let room = vec.size[LRU_ACTIVE_FILE];
  if (k.mm.swap.free > 0) room += vec.size[LRU_ACTIVE_ANON] + vec.size[LRU_INACTIVE_ANON];
  if (vec.age - gone > room) return false;
  if (file) stat.activateFile++;
  else stat.activateAnon++;
  vec.age++;
  return true;
}
