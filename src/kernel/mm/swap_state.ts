import { page as PAGE } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from './address.ts';
import { LRU_ACTIVE_ANON } from './lru.ts';
import { mapCount, PG_DIRTY, PG_SWAPBACKED, PG_SWAPCACHE, PG_UPTODATE, setPageFlags } from './page.ts';
import { countUse, frameForUser, payerOfEntry, Use } from './memcontrol.ts';
import { workingsetRefault } from './workingset.ts';

// The swap cache (mm/swap_state.c): a page that is in memory and has a slot as well. It comes there on its way out, and when the first of several
// processes brings it in; while nobody has written to it, it can go again without being written.

/** add_to_swap_cache: takes a reference. */
export function addToSwapCache(k: Kernel, pa: number, entry: number): void {
  const { swap, pages } = k.mm;
  pages.get(pa);
  swap.cache.set(entry, pa);
  swap.entryOf[pa / PAGE_SIZE] = entry;
  const at = pages.pageStruct(pa);
  setPageFlags(k.ram, at, PG_SWAPCACHE | PG_SWAPBACKED);
  k.ram.write64(at + PAGE.private, entry);
  countUse(k, pa, Use.SWAPCACHE, 1);
}
/** delete_from_swap_cache: gives the cache's reference back, and the slot when nobody else uses it. */
export function deleteFromSwapCache(k: Kernel, pa: number): void {
  const { swap, pages } = k.mm;
  const entry = swap.entryOf[pa / PAGE_SIZE];
  swap.cache.delete(entry);
  swap.entryOf[pa / PAGE_SIZE] = 0;
  const at = pages.pageStruct(pa);
  setPageFlags(k.ram, at, 0, PG_SWAPCACHE);
  k.ram.write64(at + PAGE.private, 0);
  countUse(k, pa, Use.SWAPCACHE, -1);
  if (swap.users(entry) === 0) swap.release(entry);
  pages.put(pa);
}
/** folio_free_swap: a page that nobody has in swap any more needs no slot; it is dirty then, for its only copy is in memory. */
export function freeSwapOf(k: Kernel, pa: number): boolean {
  const entry = k.mm.swap.entryOf[pa / PAGE_SIZE];
  if (entry === 0 || k.mm.swap.users(entry) > 0) return false;
  setPageFlags(k.ram, k.mm.pages.pageStruct(pa), PG_DIRTY);
  deleteFromSwapCache(k, pa);
  return true;
}
/** free_swap_and_cache: an entry of a page table, or of tmpfs, goes. */
export function freeSwapEntry(k: Kernel, entry: number): void {
  const { swap } = k.mm;
  if (!swap.drop(entry)) return;
  const pa = swap.cache.get(entry);
  if (pa === undefined) swap.release(entry);
  else if (mapCount(k.ram, k.mm.pages.pageStruct(pa)) === 0) deleteFromSwapCache(k, pa);
}
/** The page of an entry, from the cache or from its slot; 0 = no memory, -1 = it cannot be read. The caller holds no reference. */
export function swapInPage(k: Kernel, entry: number): number {
  const { swap, pages, lru } = k.mm;
  const cached = swap.cache.get(entry);
  if (cached !== undefined) return cached;
  const pa = frameForUser(k, false, payerOfEntry(k, entry));
  if (pa === 0) return 0;
  k.machine.invalidateCode(pa, PAGE_SIZE);
  if (!swap.read(entry, pa)) {
    k.printk.log(3, `Read-error on swap-device (${swap.areaOf(entry)?.type ?? -1}:${entry})`);
    pages.put(pa);
    return -1;
  }
  addToSwapCache(k, pa, entry);
  pages.put(pa);
  setPageFlags(k.ram, pages.pageStruct(pa), PG_UPTODATE | PG_SWAPBACKED);
  lru.add(pa, LRU_ACTIVE_ANON);
  const gone = swap.shadows.get(entry);
  if (gone !== undefined) workingsetRefault(k, pa, gone, false);
  return pa;
}
