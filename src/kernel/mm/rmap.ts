import { page as PAGE } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { physToVirt } from './address.ts';
import type { MmStruct } from './mm_struct.ts';
import { addMapCount, isAnon, MAPPING_ANON, mapCount, PG_LRU, PG_SWAPBACKED, PG_UPTODATE, pageFlags, setPageFlags } from './page.ts';

// Counting who maps a page (mm/rmap.c), and resident pages by kind. The shared page of zeros is counted nowhere.

export type PageKind = 'anon' | 'shmem' | 'file';

export function kindOf(k: Kernel, pa: number): PageKind {
  const at = k.mm.pages.pageStruct(pa);
  if (isAnon(k.ram, at)) return 'anon';
  return (pageFlags(k.ram, at) & PG_SWAPBACKED) !== 0 ? 'shmem' : 'file';
}
function addRss(mm: MmStruct, kind: PageKind, n: number): void {
  if (kind === 'anon') mm.rssAnon += n;
  else if (kind === 'shmem') mm.rssShmem += n;
  else mm.rssFile += n;
}

/** A fresh frame becomes a private page of `mm`, which maps it once. The allocation's reference is the mapping's. */
export function pageAddNewAnon(k: Kernel, mm: MmStruct, pa: number): void {
  const at = k.mm.pages.pageStruct(pa);
  setPageFlags(k.ram, at, PG_UPTODATE | PG_LRU | PG_SWAPBACKED);
  k.ram.write64(at + PAGE.mapping, physToVirt(mm.addr) + MAPPING_ANON);
  addMapCount(k.ram, at, 1);
  mm.rssAnon++;
  k.mm.stat.anonPages++;
}
/** One more page table entry maps a page: takes a reference. */
export function pageAddMapping(k: Kernel, mm: MmStruct, pa: number): void {
  if (pa === k.mm.zeroPage) return;
  const at = k.mm.pages.pageStruct(pa);
  k.mm.pages.get(pa);
  const kind = kindOf(k, pa);
  if (kind !== 'anon' && mapCount(k.ram, at) === 0) k.mm.stat.fileMapped++;
  addMapCount(k.ram, at, 1);
  addRss(mm, kind, 1);
}
/** A page table entry that mapped it is gone: gives its reference back. */
export function pageRemoveMapping(k: Kernel, mm: MmStruct, pa: number): void {
  if (pa === k.mm.zeroPage) return;
  const at = k.mm.pages.pageStruct(pa);
  const kind = kindOf(k, pa);
  if (mm.rss > mm.hiwaterRss) mm.hiwaterRss = mm.rss;
  addMapCount(k.ram, at, -1);
  addRss(mm, kind, -1);
  if (mapCount(k.ram, at) === 0) {
    if (kind === 'anon') k.mm.stat.anonPages--;
    else k.mm.stat.fileMapped--;
  }
  k.mm.pages.put(pa);
}
